"""What was read the last time: blocks by file, so that a file that has not changed is neither read nor parsed again.

An entry is good while its file is the same (size and time of change, or else its content) and all else that reading it
depends on: this program, the parser, the engine, the folder defaults, the names of macros; and, for a file with Jinja, the
macros, vars and the target. Values of the environment are never kept: a file that reads one is read each time. Neither
is one that includes others. The file begins with a hash of the rest, so that a damaged one counts as none.
"""

import hashlib
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any

import msgspec

from sqlflow.core.block import Assertion, Block, Query, Reads, TableUse, Threshold
from sqlflow.core.config import BlockConfig
from sqlflow.core.names import TableName
from sqlflow.core.secrets import masked
from sqlflow.core.text import MappedText, Piece, Place, SourceFile
from sqlflow.read.cached_flow import StoredFlow, flow_queries, is_kept, restored, stored
from sqlflow.read.tags import has_tags

FORM = 4
_CLOCK_STEP_NANOSECONDS = 50_000_000
"""A file that was changed so shortly before it was read may change once more without another time of change."""
_DIGEST = 16
_READS_OTHERS = re.compile(r"\{%[-+]?\s*(include|import|from|extends)\b")


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


class _Block(msgspec.Struct, array_like=True):
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


class _Entry(msgspec.Struct, array_like=True):
    """One file. `stamp` is its size and its time of change in nanoseconds; no block is one that is switched off."""

    stamp: tuple[int, int]
    content: bytes
    context: bytes
    block: _Block | None
    disabled: tuple[str, str]


class _Stored(msgspec.Struct, array_like=True):
    form: int
    entries: dict[str, _Entry]
    macros: tuple[bytes, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Context:
    """Hashes of what reading depends on beside the file: `plain` for all files, `templated` for those with Jinja."""

    plain: bytes
    templated: bytes

    def of(self, block: Block, queries: Iterable[Query]) -> bytes:
        """Return the context that a block's reading depended on: an assertion may be a macro, in a file without Jinja."""
        own = block.source.path
        reaches = has_tags(block.source.text) or any(
            query.reads.macros or any(piece.source and piece.source.path != own for piece in query.text.pieces)
            for query in queries
        )
        return self.templated if reaches else self.plain


def context_of(plain: Iterable[str], templated: Iterable[str]) -> Context:
    """Return the context of a project, from texts that hold all that reading its files depends on."""
    first = digest_of(plain)
    return Context(first, _digest(first + "\x00".join(templated).encode()))


def digest_of(texts: Iterable[str]) -> bytes:
    """Return a hash of this program and of texts that hold what it reads."""
    return _digest("\x00".join((*_program(), *texts)).encode())


@cache
def _program() -> tuple[str, ...]:
    """Return what tells one state of this program, and of the parsers, from another."""
    from importlib.metadata import version

    folder = Path(__file__).parents[1]
    files = sorted((*folder.glob("read/*.py"), *folder.glob("core/*.py")))
    stats = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    return version("sqlflow"), str(stats), version("sqlglot"), version("jinja2")


@dataclass
class LoadCache:
    """The entries of the last time, and those of this time. It is written only where `is_changed`."""

    context: Context = field(default_factory=lambda: Context(b"", b""))
    others: Mapping[str, Context] = field(default_factory=dict)
    """What reading the blocks of other targets depends on, by the target's name."""
    old: Mapping[str, _Entry] = field(default_factory=dict)
    new: dict[str, _Entry] = field(default_factory=dict)
    sources: dict[str, SourceFile] = field(default_factory=dict)
    """The macro files, by path: pieces of text point into them."""
    old_macros: tuple[bytes, tuple[str, ...]] = (b"", ())
    """The names of all macros, behind a hash of what they depend on."""
    macros: tuple[bytes, tuple[str, ...]] = (b"", ())

    @classmethod
    def decoded(cls, data: bytes) -> "LoadCache":
        """Return the cache that was kept as `data`; an empty one for what is none."""
        try:
            stored = msgspec.msgpack.decode(unsealed(data), type=_Stored)
        except msgspec.DecodeError:
            return cls()
        return cls(old=stored.entries, old_macros=stored.macros) if stored.form == FORM else cls()

    def encoded(self) -> bytes:
        return sealed(msgspec.msgpack.encode(_Stored(FORM, self.new, self.macros)))

    @property
    def is_changed(self) -> bool:
        return (
            self.new.keys() != self.old.keys()
            or self.macros != self.old_macros
            or any(self.old[path] is not entry for path, entry in self.new.items())
        )

    def macro_names(self, templated: Iterable[str], read: Callable[[], Iterable[str]]) -> tuple[str, ...]:
        """Return the names of the macros of `sources`, sorted: as they were kept, or else as `read` gives them.

        `templated` are texts that hold all that reading them depends on.
        """
        if not self.sources:
            return ()
        depends_on_others = any(_READS_OTHERS.search(source.text) for source in self.sources.values())
        key = digest_of(templated)
        if self.old_macros[0] != key or depends_on_others:
            names = tuple(sorted(read()))
            self.macros = (b"", ()) if depends_on_others else (key, names)
            return names
        self.macros = self.old_macros
        return self.macros[1]

    def block(self, root: Path, path: str) -> "Block | tuple[TableName, str] | None":
        """Return the block of a file that has not changed since, or the name of one that is switched off; else None."""
        entry = self.old.get(path)
        if entry is None or entry.stamp != stamp(f"{root}/{path}") or not self._fits(entry):
            return None
        self.new[path] = entry
        return self._of(entry, path)

    def same(self, root: Path, source: SourceFile, read_at: int) -> "Block | tuple[TableName, str] | None":
        """Return the block of a file that was touched, and holds what it held; else None."""
        entry = self.old.get(source.path)
        if entry is None or entry.content != _digest(source.text.encode()) or not self._fits(entry):
            return None
        settled = settled_stamp(root / source.path, read_at)
        self.new[source.path] = msgspec.structs.replace(entry, stamp=settled) if settled else entry
        return self._of(entry, source.path)

    def _fits(self, entry: _Entry) -> bool:
        context = self._context_of(entry.block.config.target if entry.block else None)
        return entry.context in (context.plain, context.templated)

    def _context_of(self, target: str | None) -> Context:
        return self.others.get(target, self.context) if target else self.context

    def _of(self, entry: _Entry, path: str) -> "Block | tuple[TableName, str] | None":
        if entry.block is None:
            return TableName(*entry.disabled), path
        return _restored(entry.block, path, self.sources)

    def keep(self, root: Path, source: SourceFile, found: "Block | TableName", read_at: int) -> None:
        """Keep what was read of a file, where it may be used again. `read_at` is when, in nanoseconds since 1970."""
        settled, content = settled_stamp(root / source.path, read_at), _digest(source.text.encode())
        if settled is None:
            return
        if isinstance(found, TableName):
            self.new[source.path] = _Entry(settled, content, self.context.plain, None, (found.schema, found.name))
            return
        queries = _queries(found)
        stored = _stored(found, self.sources) if queries else None
        if stored is not None:
            context = self._context_of(found.config.target).of(found, queries)
            self.new[source.path] = _Entry(settled, content, context, stored, ("", ""))


def sealed(data: bytes) -> bytes:
    """Return data behind a hash of it, so that damage shows."""
    return _digest(data) + data


def unsealed(data: bytes) -> bytes:
    """Return what was sealed; nothing where it is damaged."""
    return data[_DIGEST:] if _digest(data[_DIGEST:]) == data[:_DIGEST] else b""


def stamp(file: Path | str) -> tuple[int, int] | None:
    try:
        status = os.stat(file)  # noqa: PTH116  a Path for each file of a project takes as long as asking for it
    except OSError:
        return None
    return status.st_size, max(status.st_mtime_ns, status.st_ctime_ns)


def settled_stamp(file: Path, read_at: int) -> tuple[int, int] | None:
    """Return a file's stamp, if a later change is sure to show in it."""
    found = stamp(file)
    return found if found and found[1] < read_at - _CLOCK_STEP_NANOSECONDS else None


def _queries(block: Block) -> list[Query]:
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


def _digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=_DIGEST).digest()


class _NotKept(Exception):
    """Only inside this module: a block that points into a file whose change would go unseen, or that holds a secret."""


def _stored(block: Block, macros: Mapping[str, SourceFile]) -> _Block | None:
    every = _queries(block)
    read = (value for query in every for pair in query.reads.vars for value in pair)
    shown = [block.source.text, *(query.text.text for query in every), *read]
    if not is_kept(block, (source.text for source in macros.values())):
        return None
    if block.query is None or any(query.reads.env for query in every) or _READS_OTHERS.search(block.source.text):
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
            one.new_only,
        )  # fmt: skip

    try:
        return _Block(
            (block.name.schema, block.name.name), _without_nodes(block.config), query(block.query),
            [assertion(one) for one in block.assertions], block.body, [query(one) for one in block.pre_statements],
            [query(one) for one in block.post_statements], block.source.text,
            query(block.continuing) if block.continuing else None,
            stored(block.flow, lambda one: msgspec.Raw(msgspec.msgpack.encode(query(one)))),
        )  # fmt: skip
    except _NotKept:
        return None


def _without_nodes(config: BlockConfig) -> BlockConfig:
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


def _restored(kept: _Block, path: str, macros: Mapping[str, SourceFile]) -> Block:
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
        )  # fmt: skip

    return Block(
        name, "sql", source, kept.config, query(kept.query), tuple(map(assertion, kept.assertions)), kept.body,
        tuple(map(query, kept.before)), tuple(map(query, kept.after)),
        query(kept.continuing) if kept.continuing else None,
        restored(kept.flow, lambda one: query(msgspec.msgpack.decode(one, type=_Query))),
    )  # fmt: skip
