"""A block as the load cache keeps it: small records that msgspec encodes, with texts as places in files that are read anyway."""

import re
from collections.abc import Mapping
from functools import partial
from typing import Any

import msgspec

from sqlflow.core.block import Assertion, Block, Query, Reads, TableUse, Threshold
from sqlflow.core.config import BlockConfig
from sqlflow.core.names import TableName
from sqlflow.core.secrets import masked
from sqlflow.core.text import MappedText, Piece, Place, SourceFile
from sqlflow.read.cached_flow import StoredFlow, flow_queries, is_kept, restored, stored

READS_OTHERS = re.compile(r"\{%[-+]?\s*(include|import|from|extends)\b")


class _Text(msgspec.Struct, array_like=True):
    """Pieces: which source (-1 for none), where in it, how long if it is a copy of it; else whether it moves (0) or not (-1), and
    its own text."""

    pieces: list[tuple[int, int, int, str | None]]


class _Query(msgspec.Struct, array_like=True):
    """`text` is a `_Text`, decoded only when it is looked at: a build that has nothing to do looks at none."""

    text: msgspec.Raw
    tables: list[tuple[tuple[str, ...], int, int, bool, bool, str]]
    files: tuple[str, ...]
    reads: tuple[
        tuple[tuple[str, str], ...], tuple[tuple[str, str], ...], tuple[str, ...], tuple[str, ...], tuple[str, ...]
    ]
    opaque: bool
    dynamic: bool
    named: list[tuple[str, ...]]
    unclear: list[tuple[str, ...]]
    code: str
    volatile: str
    unnamed: tuple[int, ...]


class _Assertion(msgspec.Struct, array_like=True):
    name: str
    kind: str
    query: _Query
    place: tuple[str, int, int, str, int]
    severity: str
    rows: int
    share: float | None
    sample_rows: int
    timeout: float | None
    description: str
    path: str
    new_only: bool
    columns: tuple[str, ...]


class StoredBlock(msgspec.Struct, array_like=True):
    name: tuple[str, str]
    config: BlockConfig
    query: _Query
    assertions: list[_Assertion]
    body: int
    before: list[_Query]
    after: list[_Query]
    source: str
    continuing: _Query | None
    flow: StoredFlow | None


def queries_of(block: Block) -> list[Query]:
    """Return all queries of a SQL block, its assertions' among them; none for a block that cannot be kept."""
    continuing = (block.continuing,) if block.continuing else ()
    found = (
        block.query,
        *continuing,
        *block.pre_statements,
        *block.post_statements,
        *(one.code for one in block.assertions),
        *flow_queries(block.flow),
    )
    queries = [one for one in found if isinstance(one, Query)]
    return queries if len(queries) == len(found) else []


class _NotKept(Exception):
    """Only inside this module: a block that points into a file whose change would go unseen, or that holds a secret."""


def stored_block(block: Block, macros: Mapping[str, SourceFile]) -> StoredBlock | None:
    every = queries_of(block)
    read = (value for query in every for pair in query.reads.vars for value in pair)
    shown = [block.source.text, *(query.text.text for query in every), *read]
    if not is_kept(block, (source.text for source in macros.values())):
        return None
    if block.query is None or any(query.reads.env for query in every) or READS_OTHERS.search(block.source.text):
        return None
    if any(masked(text) != text for text in shown):
        return None
    known = {block.source.path: 0} | {path: number for number, path in enumerate(sorted(macros), 1)}
    sources = [block.source, *(macros[path] for path in sorted(macros))]

    def text(mapped: MappedText) -> msgspec.Raw:
        return msgspec.Raw(msgspec.msgpack.encode(_Text([_piece(piece, known, sources) for piece in mapped.pieces])))

    def query(one: Query) -> _Query:
        reads = (one.reads.vars, one.reads.env, one.reads.macros, one.reads.refs, one.reads.queries)
        tables = [(_parts(use.name), use.start, use.end, use.aliased, use.qualifier, use.alias) for use in one.tables]
        return _Query(
            text(one.text), tables, one.files, reads, one.opaque, one.dynamic, [*map(_parts, sorted(one.named))],
            [*map(_parts, sorted(one.unclear))], one.code, one.volatile, one.unnamed,
        )  # fmt: skip

    def assertion(one: Assertion) -> _Assertion:
        place, limit = one.place, one.fail_above
        assert isinstance(one.code, Query)
        return _Assertion(
            one.name, one.kind, query(one.code), (place.path, place.line, place.column, place.text, place.length),
            one.severity, limit.rows, limit.share, one.sample_rows, one.timeout, one.description, one.path,
            one.new_only, one.columns,
        )  # fmt: skip

    try:
        return StoredBlock(
            (block.name.schema, block.name.name), without_nodes(block.config), query(block.query),
            [assertion(one) for one in block.assertions], block.body, [query(one) for one in block.pre_statements],
            [query(one) for one in block.post_statements], block.source.text,
            query(block.continuing) if block.continuing else None,
            stored(block.flow, lambda one: msgspec.Raw(msgspec.msgpack.encode(query(one)))),
        )  # fmt: skip
    except _NotKept:
        return None


def without_nodes(config: BlockConfig) -> BlockConfig:
    """Return the settings without what has become assertions, or a part of the flow, already."""
    columns = {name: msgspec.structs.replace(one, assertions=None) for name, one in config.columns.items()}
    flow = {"when": None, "on_success": None, "on_failure": None, "wait_for": (), "export": ()}
    return msgspec.structs.replace(config, assertions=None, columns=columns, **flow)


def _parts(name: TableName) -> tuple[str, ...]:
    return (name.schema, name.name, name.catalog) if name.catalog else (name.schema, name.name)


def _piece(piece: Piece, known: Mapping[str, int], sources: list[SourceFile]) -> tuple[int, int, int, str | None]:
    if piece.source is None:
        return -1, piece.offset, 0 if piece.moves else -1, piece.text
    number = known.get(piece.source.path, -1)
    if number < 0:
        raise _NotKept
    source = sources[number]
    length = len(piece.text)
    if source.text != piece.source.text:
        raise _NotKept
    if piece.moves and source.text[piece.offset : piece.offset + length] == piece.text:
        return number, piece.offset, length, None
    return number, piece.offset, 0 if piece.moves else -1, piece.text


def _restored_text(stored: msgspec.Raw, source: SourceFile, macros: Mapping[str, SourceFile]) -> tuple[Piece, ...]:
    sources = [source, *(macros[known] for known in sorted(macros))]

    def piece(number: int, offset: int, length: int, text: str | None) -> Piece:
        if number < 0:
            return Piece(text or "", None, offset, moves=length == 0)
        origin = sources[number]
        if text is None:
            return Piece(origin.text[offset : offset + length], origin, offset)
        return Piece(text, origin, offset, moves=length == 0)

    return tuple(piece(*given) for given in msgspec.msgpack.decode(stored, type=_Text).pieces)


def restored_block(kept: StoredBlock, path: str, macros: Mapping[str, SourceFile]) -> Block:
    name = TableName(*kept.name)
    source = SourceFile(path, kept.source)

    def query(one: _Query) -> Query:
        tables = tuple(
            TableUse(TableName(*parts), start, end, aliased, qualifier, alias)
            for parts, start, end, aliased, qualifier, alias in one.tables
        )
        return Query(
            MappedText.later(partial(_restored_text, one.text, source, macros)), tables, one.files, Reads(*one.reads), one.opaque,
            one.dynamic, frozenset(TableName(*parts) for parts in one.named),
            frozenset(TableName(*parts) for parts in one.unclear), one.code, one.volatile, one.unnamed,
        )  # fmt: skip

    def assertion(one: _Assertion) -> Assertion:
        severity: Any = one.severity
        return Assertion(
            one.name, one.kind, name, query(one.query), Place(*one.place), severity, Threshold(one.rows, one.share),
            one.sample_rows, one.timeout, one.description, one.path, new_only=one.new_only,
            columns=one.columns,
        )  # fmt: skip

    return Block(
        name, "sql", source, kept.config, query(kept.query), tuple(map(assertion, kept.assertions)), kept.body,
        tuple(map(query, kept.before)), tuple(map(query, kept.after)),
        query(kept.continuing) if kept.continuing else None,
        restored(kept.flow, lambda one: query(msgspec.msgpack.decode(one, type=_Query))),
    )  # fmt: skip
