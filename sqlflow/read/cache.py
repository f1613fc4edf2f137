"""What was read the last time: blocks by file, so that a file that has not changed is neither read nor parsed again.

An entry is good while its file is the same (size and time of change, or else its content) and all else that reading it
depends on: this program, the parser, the engine, the folder defaults, the names of macros; and, for a file with Jinja, the
macros, vars and the target. An instance has an entry of its own, which depends on its name and its own vars, too. Values of the environment are never kept: a file that reads one is read each time. Neither
is one that includes others. The file begins with a hash of the rest, so that a damaged one counts as none.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct, field

from sqlflow.core.block import Block, Query
from sqlflow.core.names import TableName
from sqlflow.core.text import SourceFile
from sqlflow.read.cached_blocks import READS_OTHERS, StoredBlock, queries_of, restored_block, stored_block
from sqlflow.read.installed import version
from sqlflow.read.sealed import digest, sealed, unsealed
from sqlflow.read.stability import Said, learn, said_so_far
from sqlflow.read.stamps import settled_stamp, stamp
from sqlflow.read.tags import has_tags

FORM = 6
_NO_FILE = (0, 0)
"""The stamp of an instance: the text of its file is at hand."""


class _Entry(msgspec.Struct, array_like=True):
    """One file. `stamp` is its size and its time of change in nanoseconds; no block is one that is switched off."""

    stamp: tuple[int, int]
    content: bytes
    context: bytes
    block: StoredBlock | None
    disabled: tuple[str, str]


class _Stored(msgspec.Struct, array_like=True):
    form: int
    entries: dict[str, _Entry]
    macros: tuple[bytes, tuple[str, ...]]
    said: tuple[bytes, Said]
    """What engines have said of their functions, behind a hash of this program."""


class Context(Struct, frozen=True):
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
    return Context(first, digest(first + "\x00".join(templated).encode()))


def digest_of(texts: Iterable[str]) -> bytes:
    """Return a hash of this program and of texts that hold what it reads."""
    return digest("\x00".join((*_program(), *texts)).encode())


@cache
def _program() -> tuple[str, ...]:
    """Return what tells one state of this program, and of the parsers, from another."""
    folder = Path(__file__).parents[1]
    files = sorted((*folder.glob("read/*.py"), *folder.glob("core/*.py")))
    stats = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    return version("sqlflow"), str(stats), version("sqlglot"), version("jinja2")


class LoadCache(Struct):
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
        if stored.form != FORM:
            return cls()
        if stored.said[0] == digest_of(()):
            learn(stored.said[1])
        return cls(old=stored.entries, old_macros=stored.macros)

    def encoded(self) -> bytes:
        return sealed(msgspec.msgpack.encode(_Stored(FORM, self.new, self.macros, (digest_of(()), said_so_far()))))

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
        depends_on_others = any(READS_OTHERS.search(source.text) for source in self.sources.values())
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
        if entry is None or entry.content != digest(source.text.encode()) or not self._fits(entry):
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
        return restored_block(entry.block, path, self.sources)

    def keep(self, root: Path, source: SourceFile, found: "Block | TableName", read_at: int) -> None:
        """Keep what was read of a file, where it may be used again. `read_at` is when, in nanoseconds since 1970."""
        settled, content = settled_stamp(root / source.path, read_at), digest(source.text.encode())
        if settled is None:
            return
        if isinstance(found, TableName):
            self.new[source.path] = _Entry(settled, content, self.context.plain, None, (found.schema, found.name))
            return
        queries = queries_of(found)
        stored = stored_block(found, self.sources) if queries else None
        if stored is not None:
            context = self._context_of(found.config.target).of(found, queries)
            self.new[source.path] = _Entry(settled, content, context, stored, ("", ""))

    def instance(self, original: Block, name: TableName, vars: Mapping[str, Any]) -> Block | None:
        """Return a block's instance of that name, if neither the block's file nor the vars are others; else None."""
        key, content = _instance(original, name, vars)
        entry = self.old.get(key)
        if entry is None or entry.block is None or entry.content != content or not self._fits(entry):
            return None
        self.new[key] = entry
        whole = msgspec.structs.replace(entry.block, source=original.source.text)
        return restored_block(whole, original.source.path, self.sources)

    def keep_instance(self, original: Block, found: Block, vars: Mapping[str, Any]) -> None:
        """Keep what was read of an instance, where it may be used again. The text of its file is kept with the original."""
        queries = queries_of(found)
        stored = stored_block(found, self.sources) if queries else None
        if stored is not None:
            key, content = _instance(original, found.name, vars)
            context = self._context_of(found.config.target).of(found, queries)
            self.new[key] = _Entry(_NO_FILE, content, context, msgspec.structs.replace(stored, source=""), ("", ""))


def _instance(original: Block, name: TableName, vars: Mapping[str, Any]) -> tuple[str, bytes]:
    """Return the key of an instance, which is no file's path, and a hash of what it is read from."""
    content = "\x00".join((original.source.text, str(name), repr(sorted(vars.items()))))
    return f"{original.source.path} as {name}", digest(content.encode())
