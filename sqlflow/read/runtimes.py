"""Which runtimes are installed, told by the entry points `sqlflow.runtimes`."""

from collections.abc import Iterable
from functools import cache

from sqlflow.core.block import Block, Function
from sqlflow.core.errors import Problem
from sqlflow.core.names import TableName
from sqlflow.core.runtime import Runtime
from sqlflow.read.installed import points

GROUP = "sqlflow.runtimes"


@cache
def runtimes() -> tuple[Runtime, ...]:
    """Return the adapters, by name."""
    return tuple(point.load() for point in points(GROUP))


def missing(blocks: Iterable[Block]) -> dict[TableName, tuple[Problem, ...]]:
    """Return what is not installed of what function blocks need, by block, each at the function's place."""
    found = {}
    for block in blocks:
        function = block.function
        if function is None:
            continue
        checks = (one.code.declared for one in block.assertions if isinstance(one.code, Function))
        place = block.source.place(block.body, len(function.declared.name))
        problems = function.runtime.missing((function.declared, *checks), function.packages, block.config.requirements)
        if problems:
            found[block.name] = tuple(Problem(f"`{block.name}`: {p.message}", place, p.hint) for p in problems)
    return found
