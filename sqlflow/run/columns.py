"""Whether a result's columns can be those of a table, and are what the block says."""

import re
from collections.abc import Iterator

from sqlflow.core.block import Block, Query
from sqlflow.core.engine import Column, Engine
from sqlflow.core.errors import BuildError, Problem
from sqlflow.core.text import Place

_PLAIN_NAME = re.compile(r"[^\W\d][\w$ ]*")


def check_columns(columns: tuple[Column, ...], block: Block, query: Query | None, engine: Engine) -> None:
    """Raise BuildError, with all faults, if the result's columns cannot be a table or break the contract."""
    place = block.source.place(block.body) if block.code else Place(block.source.path)
    problems = [Problem(message, place, hint) for message, hint in _column_faults(columns)]
    problems += _unnamed(columns, query, place) if query and query.unnamed else []
    problems += [Problem(message, place) for message in _undeclared(columns, block)]
    if block.config.contract:
        problems += [Problem(message, place) for message in _contract_faults(columns, block, engine)]
    if problems:
        raise BuildError(problems)


def _unnamed(columns: tuple[Column, ...], query: Query, place: Place) -> Iterator[Problem]:
    odd = [(number, column.name) for number, column in enumerate(columns, 1) if not _PLAIN_NAME.fullmatch(column.name)]
    places = [query.text.place(offset) or place for offset in query.unnamed]
    for index, (number, name) in enumerate(odd):
        where = places[index] if len(places) == len(odd) else places[0]
        yield Problem(f"column {number} has no name: the engine would call it `{name[:60]}`", where, "add `as name`")


def _column_faults(columns: tuple[Column, ...]) -> Iterator[tuple[str, str]]:
    seen: set[str] = set()
    for column in columns:
        if column.name.lower() in seen:
            yield f"duplicate column `{column.name}`", "give each column a name of its own"
        seen.add(column.name.lower())
        if not column.type:
            yield (
                f"the column `{column.name}` is NULL without a type",
                f"write `cast(null as integer) as {column.name}`",
            )


def _undeclared(columns: tuple[Column, ...], block: Block) -> Iterator[str]:
    names = {column.name.lower() for column in columns}
    has = ", ".join(f"`{column.name}`" for column in columns)
    for name in block.config.columns:
        if name.lower() not in names:
            yield f"`columns` describes `{name}`, which the result does not have; it has {has}"


def _contract_faults(columns: tuple[Column, ...], block: Block, engine: Engine) -> Iterator[str]:
    declared = {name.lower(): column.type for name, column in block.config.columns.items()}
    for column in columns:
        wanted = declared.get(column.name.lower())
        if wanted is None:
            yield f"contract: the column `{column.name}` is not declared"
        elif wanted and engine.type_name(wanted) != engine.type_name(column.type):
            yield f"contract: the column `{column.name}` is {column.type.lower()}, declared is {wanted.lower()}"
