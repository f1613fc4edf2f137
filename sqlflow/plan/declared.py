"""The lineage of functions, which only their authors know: what `made_from` of their columns says."""

from collections.abc import Iterable, Iterator, Mapping

from sqlflow.core.block import Block
from sqlflow.core.errors import Problem, ProjectError
from sqlflow.core.names import TableName
from sqlflow.core.text import Place
from sqlflow.plan.graph import Resolver
from sqlflow.plan.lineage import Lineage
from sqlflow.plan.origins import EVERY, Origin, Read, Relation, merged

_HINT = "write `table.column`, such as `stg_flights.dep_delay`"


def problems(blocks: Iterable[Block], resolver: Resolver) -> Iterator[Problem]:
    """Yield what is wrong with what blocks say that their columns are made from."""
    for block in blocks:
        for text in dict.fromkeys(text for column in block.config.columns.values() for text in column.made_from):
            if block.function is None:
                hint = "leave it out: a query tells by itself where its columns come from"
                yield Problem("`made_from` is for functions", block.key_place("made_from"), hint)
                break
            try:
                _read(text, block, resolver)
            except ProjectError as error:
                yield from (Problem(one.message, _place(text, block), one.hint) for one in error.problems)


def declared(block: Block, inputs: frozenset[TableName], resolver: Resolver) -> Lineage | None:
    """Return the lineage that a function's block says it has; None if it says nothing.

    A column of which it says nothing is made from all that the function gets, and so are its rows. Raise ProjectError for
    what `problems` tells.
    """
    if block.function is None or not block.says_lineage:
        return None
    every = Origin(reads=frozenset(Read(str(name), EVERY) for name in inputs))
    columns: Mapping[str, Origin] = {
        name.lower(): Origin(reads=frozenset(_read(text, block, resolver) for text in column.made_from))
        if column.made_from
        else every
        for name, column in block.config.columns.items()
    }
    result = Relation(every, columns, None if block.config.contract else lambda name: every)
    return Lineage(every, merged([result.every()]), result.closed(), True, result)


def _read(text: str, block: Block, resolver: Resolver) -> Read:
    """Return the column of an input that a text names. Raise ProjectError if it names none."""
    table, _, column = text.rpartition(".")
    if not table or not column:
        raise ProjectError(f"`made_from` of `{block.name}` names `{text}`, which is no column of a table", hint=_HINT)
    name = resolver.link(TableName.parse(table), block.name.schema).name
    assert block.code is not None
    inputs = sorted({str(resolver.link(one, block.name.schema).name) for one in block.code.inputs})
    if str(name) not in inputs:
        listed = ", ".join(f"`{one}`" for one in inputs)
        hint = f"its inputs are {listed}" if inputs else "it has no inputs: leave `made_from` out"
        raise ProjectError(f"`made_from` of `{block.name}` names `{table}`, which it does not read", hint=hint)
    return Read(str(name), column.strip('"').lower())


def _place(text: str, block: Block) -> Place:
    """Return where a text stands behind the first `made_from` of a block."""
    start = block.source.text.find("made_from")
    found = block.source.text.find(text, max(start, 0))
    return block.source.place(max(found, 0), len(text)) if found >= 0 else block.key_place("made_from")
