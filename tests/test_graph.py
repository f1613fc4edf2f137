"""Order and selection on random graphs."""

from hypothesis import given
from hypothesis import strategies as st
from support import block, project

from sqlflow.core.names import TableName
from sqlflow.plan.graph import Graph, graph
from sqlflow.plan.selection import selected


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Return the graph of up to 12 blocks, each reading some of those before it."""
    count = draw(st.integers(1, 12))
    blocks = [
        block(f"s{number % 3}.n{number}", tuple(f"s{read % 3}.n{read}" for read in reads))
        for number in range(count)
        for reads in [sorted(draw(st.sets(st.integers(0, number - 1), max_size=3))) if number else []]
    ]
    return graph(project(*draw(st.permutations(blocks))))


@given(graphs())
def test_inputs_come_before_readers(found: Graph) -> None:
    position = {name: index for index, name in enumerate(found.order)}
    assert sorted(position) == sorted(found.inputs)
    assert all(position[read] < position[name] for name, inputs in found.inputs.items() for read in inputs)


@given(graphs())
def test_order_does_not_depend_on_the_order_of_files(found: Graph) -> None:
    again = graph(project(*(found.project.blocks[name] for name in sorted(found.project.blocks))))
    assert again.order == found.order


@st.composite
def picks(draw: st.DrawFn) -> tuple[Graph, TableName, TableName]:
    found = draw(graphs())
    names = st.sampled_from(sorted(found.inputs))
    return found, draw(names), draw(names)


def _ancestors(found: Graph, name: TableName) -> frozenset[TableName]:
    """Return what a name is built from, by the definition: its inputs and theirs."""
    return frozenset({name}).union(*(_ancestors(found, read) for read in found.inputs[name]))


@given(picks())
def test_plus_before_takes_all_that_a_block_is_built_from(case: tuple[Graph, TableName, TableName]) -> None:
    found, one, _ = case
    assert selected(found, [f"+{one}"]) == _ancestors(found, one)


@given(picks())
def test_plus_behind_takes_all_that_is_built_from_a_block(case: tuple[Graph, TableName, TableName]) -> None:
    found, one, _ = case
    assert selected(found, [f"{one}+"]) == {name for name in found.inputs if one in _ancestors(found, name)}


@given(picks())
def test_at_takes_readers_and_all_their_inputs(case: tuple[Graph, TableName, TableName]) -> None:
    found, one, _ = case
    readers = selected(found, [f"{one}+"])
    assert selected(found, [f"@{one}"]) == frozenset().union(*(_ancestors(found, name) for name in readers))


@given(picks())
def test_one_step_up_takes_direct_inputs(case: tuple[Graph, TableName, TableName]) -> None:
    found, one, _ = case
    assert selected(found, [f"1+{one}"]) == {one} | found.inputs[one]


@given(picks())
def test_a_blank_is_a_union_and_exclude_a_difference(case: tuple[Graph, TableName, TableName]) -> None:
    found, one, two = case
    both = selected(found, [f"+{one} {two}+"])
    assert (
        both == selected(found, [f"+{one}"]) | selected(found, [f"{two}+"]) == selected(found, [f"+{one}", f"{two}+"])
    )
    assert selected(found, [], [f"{one}+"]) == frozenset(found.inputs) - selected(found, [f"{one}+"])


@given(picks())
def test_a_comma_is_an_intersection(case: tuple[Graph, TableName, TableName]) -> None:
    found, one, _ = case
    assert selected(found, [f"+{one},{one}+"]) == {one}
