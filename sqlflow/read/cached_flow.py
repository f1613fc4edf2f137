"""How a block takes part in a run, as the load cache keeps it; queries are encoded by the cache."""

import re
from collections.abc import Callable, Iterable, Iterator
from datetime import time
from typing import Any

import msgspec

from sqlflow.core.block import Block, Query
from sqlflow.core.flow import PLAIN, Condition, Export, Flow, TableExport, Wait
from sqlflow.core.names import TableName
from sqlflow.core.text import Place
from sqlflow.read.tags import has_tags

_READS_ENVIRONMENT = re.compile(r"\benv\s*\(")
_Place = tuple[str, int, int, str, int]
Encode = Callable[[Query], msgspec.Raw]
Decode = Callable[[msgspec.Raw], Query]


class StoredFlow(msgspec.Struct, array_like=True):
    """A query that may be absent is a list of one or none: msgspec knows no `Raw` that may be null."""

    when: tuple[_Place, bool, list[msgspec.Raw]] | None
    waits: list[tuple[_Place, str, str, list[msgspec.Raw], str, str, float, float]]
    on_success: list[msgspec.Raw]
    on_failure: list[msgspec.Raw]
    exports: list[tuple[_Place, str, str, str, str]]
    tables: list[tuple[_Place, str, _Place, str, str, str, tuple[str, ...], _Place | None]]


def flow_queries(flow: Flow) -> tuple[Query, ...]:
    """Return all queries and statements of a flow."""
    asked = ((flow.when,) if flow.when else ()) + flow.waits
    return (*(one.query for one in asked if one.query is not None), *flow.on_success, *flow.on_failure)


def is_kept(block: Block, macros: Iterable[str]) -> bool:
    """Tell whether a block's flow depends on nothing but its file and what counts for each file with Jinja.

    One of the folders' defaults may be rendered for a file without Jinja, and a value of the environment may have gone into a
    path or a condition without a trace. `macros` are the texts of the macro files.
    """
    if block.flow == PLAIN:
        return True
    if any(place.path != block.source.path for place in _places(block.flow)):
        return False
    texts = (block.source.text, *macros) if has_tags(block.source.text) else ()
    return not any(_READS_ENVIRONMENT.search(text) for text in texts)


def _places(flow: Flow) -> Iterator[Place]:
    for one in ((flow.when,) if flow.when else ()) + flow.waits + flow.exports + flow.tables:
        yield one.place
    for table in flow.tables:
        yield from (table.target_place, *([table.key_place] if table.key_place else ()))


def stored(flow: Flow, encode: Encode) -> StoredFlow | None:
    """Return a flow as it is kept; None for the plain one."""
    if flow == PLAIN:
        return None

    def query(one: Query | None) -> list[msgspec.Raw]:
        return [] if one is None else [encode(one)]

    when = flow.when
    return StoredFlow(
        (_parts(when.place), when.wanted, query(when.query)) if when else None,
        [
            (
                _parts(one.place), one.kind, one.path, query(one.query), one.at.isoformat(), one.timezone, one.every,
                one.timeout,
            )
            for one in flow.waits
        ],
        [encode(one) for one in flow.on_success],
        [encode(one) for one in flow.on_failure],
        [(_parts(one.place), one.path, one.format, one.compression, one.delimiter) for one in flow.exports],
        [
            (
                _parts(one.place), one.target, _parts(one.target_place), one.table.schema, one.table.name, one.mode, one.key,
                _parts(one.key_place) if one.key_place else None,
            )
            for one in flow.tables
        ],
    )  # fmt: skip


def restored(kept: StoredFlow | None, decode: Decode) -> Flow:
    """Return the flow that was kept."""
    if kept is None:
        return PLAIN

    def query(found: list[msgspec.Raw]) -> Query | None:
        return decode(found[0]) if found else None

    def wait(place: _Place, kind: Any, path: str, asked: list[msgspec.Raw], at: str, *limits: Any) -> Wait:
        return Wait(Place(*place), kind, path, query(asked), time.fromisoformat(at), *limits)

    def export(place: _Place, path: str, form: Any, packed: str, delimiter: str) -> Export:
        return Export(Place(*place), path, form, packed, delimiter)

    def table(
        place: _Place, target: str, named: _Place, schema: str, name: str, mode: Any, key: tuple[str, ...],
        at: _Place | None,
    ) -> TableExport:  # fmt: skip
        where = Place(*at) if at else None
        return TableExport(Place(*place), target, Place(*named), TableName(schema, name), mode, key, where)

    return Flow(
        Condition(Place(*kept.when[0]), kept.when[1], query(kept.when[2])) if kept.when else None,
        tuple(wait(*one) for one in kept.waits),
        tuple(map(decode, kept.on_success)),
        tuple(map(decode, kept.on_failure)),
        tuple(export(*one) for one in kept.exports),
        tuple(table(*one) for one in kept.tables),
    )


def _parts(place: Place) -> _Place:
    return place.path, place.line, place.column, place.text, place.length
