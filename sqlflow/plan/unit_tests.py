"""Which inputs the unit tests of a project stand for, and what of them is wrong."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sqlflow.core.block import Block, Function
from sqlflow.core.errors import Problem, ProjectError, did_you_mean
from sqlflow.core.names import TableName
from sqlflow.core.unit_test import Given, UnitTest
from sqlflow.plan.graph import Graph, Resolver


def tests_of(graph: Graph, names: Iterable[TableName]) -> tuple[UnitTest, ...]:
    """Return the unit tests of the given blocks, in the order in which the blocks are built."""
    wanted = frozenset(names)
    position = {name: number for number, name in enumerate(graph.order)}
    found = [test for test in graph.project.unit_tests if test.block in wanted]
    return tuple(sorted(found, key=lambda test: position[test.block]))


def inputs_of(graph: Graph, block: TableName, given: frozenset[TableName] = frozenset()) -> dict[TableName, str]:
    """Return what a block reads, also through ephemeral blocks that are not `given`, and what each is.

    That is `block`, `ephemeral`, `seed` or `source`.
    """
    found: dict[TableName, str] = dict.fromkeys(sorted(graph.sources[block]), "source")
    for name in sorted(graph.inputs[block]):
        read = graph.project.blocks[name]
        is_ephemeral = read.config.materialize == "ephemeral"
        found[name] = "ephemeral" if is_ephemeral else "seed" if read.kind == "seed" else "block"
        if is_ephemeral and name not in given:
            found |= inputs_of(graph, name, given)
    return found


def given_by_input(graph: Graph, test: UnitTest) -> dict[TableName, Given]:
    """Return the rows that a test gives, by the inputs that they stand for. Raise ProjectError for what is no input."""
    resolver = Resolver(graph.project)
    known = inputs_of(graph, test.block)
    if graph.project.blocks[test.block].is_continued:
        known[test.block] = "block"
    found: dict[TableName, Given] = {}
    problems: list[Problem] = []
    for given in test.given:
        name = _linked(given.name, test.block, resolver)
        if name in found:
            problems.append(Problem(f"`{name}` is given twice", given.place))
        elif name not in known:
            problems.append(_no_input(given, test.block, known))
        found[name] = given
    if problems:
        raise ProjectError(problems)
    return found


def _linked(name: TableName, block: TableName, resolver: Resolver) -> TableName:
    try:
        return resolver.link(name, block.schema).name
    except ProjectError:
        return name


def _no_input(given: Given, block: TableName, known: Mapping[TableName, str]) -> Problem:
    listed = ", ".join(f"`{name}`" for name in known) or "nothing"
    hint = did_you_mean(str(given.name), map(str, known)) or f"it reads {listed}"
    return Problem(f"`{given.name}` is no input of `{block}`", given.place, hint)


def problems(graph: Graph, tests: Iterable[UnitTest]) -> Iterator[Problem]:
    """Yield what is wrong with unit tests in the frame of the project. What other vars may make of it is told later."""
    for test in tests:
        block = graph.project.blocks[test.block]
        if test.now is not None and isinstance(block.code, Function):
            hint = "let it take the moment as a column of an input, or as a var"
            message = "`now` stops the clock of SQL alone: a function reads the clock by itself"
            yield Problem(f"`{test.name}`: {message}", test.place, hint)
        if not test.vars:
            yield from _faults_of_inputs(graph, test)


def _faults_of_inputs(graph: Graph, test: UnitTest) -> Iterator[Problem]:
    try:
        given = given_by_input(graph, test)
    except ProjectError as error:
        yield from error.problems
        return
    for name, kind in inputs_of(graph, test.block, frozenset(given)).items():
        if kind in ("block", "source") and name not in given:
            hint = f"add `{name}:` below `given`, with `[]` for no rows"
            yield Problem(f"`{test.name}` gives no rows for `{name}`, which `{test.block}` reads", test.place, hint)


def checked(graph: Graph, test: UnitTest) -> dict[TableName, Given]:
    """Return the rows that a test gives, by input; the graph is that of the test's own vars. Raise ProjectError."""
    found = list(_faults_of_inputs(graph, test))
    found += _unread_vars(graph, test)
    if found:
        raise ProjectError(found)
    return given_by_input(graph, test)


def _unread_vars(graph: Graph, test: UnitTest) -> Iterator[Problem]:
    """Yield the vars of a test that nothing reads which makes the block's rows, where that can be told."""
    parts = [graph.project.blocks[test.block]]
    parts += [graph.project.blocks[n] for n, kind in inputs_of(graph, test.block).items() if kind == "ephemeral"]
    if any(isinstance(part.code, Function) and part.code.declared.takes_context for part in parts):
        return
    read = frozenset().union(*(_vars_of(part) for part in parts))
    for name in test.vars:
        if name not in read:
            listed = ", ".join(f"`{var}`" for var in sorted(read))
            hint = did_you_mean(name, read) or (f"it reads {listed}" if listed else "it reads no vars")
            yield Problem(f"`{test.block}` does not read the var `{name}`", test.place, hint)


def _vars_of(block: Block) -> frozenset[Any]:
    if isinstance(block.code, Function):
        return frozenset(name for name, _ in block.code.declared.options)
    return frozenset(name for name, _ in block.code.reads.vars) if block.code else frozenset()
