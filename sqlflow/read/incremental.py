"""Incremental blocks as they are read: the query for the whole table, and the one for its new rows."""

import hashlib
from collections.abc import Iterator
from datetime import datetime

from msgspec.structs import replace

from sqlflow.core.block import Query, Reads
from sqlflow.core.config import BlockConfig
from sqlflow.core.errors import Problem, ProjectError
from sqlflow.core.names import TableName
from sqlflow.core.spans import Span, floor, written
from sqlflow.core.text import Place
from sqlflow.read.front_matter import SqlFile
from sqlflow.read.snapshots import SNAPSHOT_ALONE, faults_of_snapshot

_RANGED_ALONE = ("time_column", "interval", "start", "end", "lookback", "batch_size")
_RANGED_NEED = ("time_column", "interval", "start")
INCREMENTAL_ALONE = ("strategy", "key", *_RANGED_ALONE, "on_schema_change", "on_change", "protect")
SOME_TIME = Span(datetime(2000, 1, 1), datetime(2000, 2, 1))
"""What a block of time ranges is read with: its code is the same for every time."""
_DEFAULTS = BlockConfig()
_STRATEGIES = "`append`, with `merge` or `delete_insert` and a `key`, or with `time_range`"


def is_own(name: TableName, block: TableName) -> bool:
    """Tell whether a name in a block's query is the block itself."""
    return (name.schema or block.schema, name.name) == (block.schema, block.name)


def joined(whole: Query, continuing: Query, block: TableName) -> tuple[Query, Query | None]:
    """Return the query for the whole table, with all that the one for its new rows reads beside, and the latter.

    The block itself is none of the inputs: new rows may be told from those that are there.
    """
    if whole.text.text == continuing.text.text and not whole.dynamic:
        return whole, None
    read = frozenset(name for name in continuing.inputs if not is_own(name, block))
    every = replace(
        whole,
        named=whole.named | read,
        files=tuple(dict.fromkeys((*whole.files, *continuing.files))),
        reads=_both(whole.reads, continuing.reads),
        volatile=whole.volatile or continuing.volatile,
        code=hashlib.blake2b(f"{_code(whole)} {_code(continuing)}".encode(), digest_size=16).hexdigest(),
    )
    return every, continuing


def _code(query: Query) -> str:
    return query.code or query.text.text


def _both(one: Reads, other: Reads) -> Reads:
    return Reads(
        tuple(sorted({*one.vars, *other.vars})),
        tuple(sorted({*one.env, *other.env})),
        tuple(sorted({*one.macros, *other.macros})),
        tuple(sorted({*one.refs, *other.refs})),
        (*one.queries, *other.queries),
    )


def refuse_timeless(query: Query, place: Place) -> None:
    """Raise ProjectError for the query of a block of time ranges that does not ask for the rows of a time."""
    if not any(written(moment) in query.text.text for moment in (SOME_TIME.start, SOME_TIME.end)):
        hint = "add `where the_time_column >= '{{ start }}' and the_time_column < '{{ end }}'`"
        raise ProjectError("the query of a `time_range` block must ask for the rows of one time alone", place, hint)


def is_set(config: BlockConfig, key: str) -> bool:
    """Tell whether a key has another value than the one that it has by itself."""
    return bool(getattr(config, key) != getattr(_DEFAULTS, key))


def refuse_incremental(config: BlockConfig, file: SqlFile, problems: list[Problem]) -> None:
    """Tell what is wrong with the settings of an incremental block, and those that are for no other."""
    is_snapshot = config.materialize == "snapshot"
    for key, message, hint in faults_of_snapshot(config) if is_snapshot else (*_faults(config), *_misplaced(config)):
        node = file.front_matter.get(key) if file.front_matter else None
        problems.append(Problem(message, node.place if node else Place(file.source.path), hint))


def _misplaced(config: BlockConfig) -> Iterator[tuple[str, str, str]]:
    for key in SNAPSHOT_ALONE:
        if is_set(config, key):
            yield key, f"`{key}` needs `materialize: snapshot`; this is `{config.materialize}`", ""


def _faults(config: BlockConfig) -> Iterator[tuple[str, str, str]]:
    """Yield the key at fault, what is wrong, and what to do."""
    if config.materialize != "incremental":
        for key in INCREMENTAL_ALONE:
            if is_set(config, key):
                yield key, f"`{key}` needs `materialize: incremental`; this is `{config.materialize}`", ""
    elif config.strategy is None:
        yield "materialize", "an incremental block needs a `strategy`", f"add `strategy:` with {_STRATEGIES}"
    elif config.strategy == "time_range":
        yield from range_faults(config)
    else:
        yield from _key_faults(config)


def _key_faults(config: BlockConfig) -> Iterator[tuple[str, str, str]]:
    for key in _RANGED_ALONE:
        if is_set(config, key):
            yield key, f"`{key}` needs `strategy: time_range`; this is `{config.strategy}`", ""
    if config.strategy == "append" and config.key:
        yield "key", "`strategy: append` takes no `key`: it replaces nothing", "use `merge` or `delete_insert`"
    elif config.strategy != "append" and not config.key:
        yield (
            "strategy",
            f"`strategy: {config.strategy}` needs a `key`",
            "add `key:` with the columns that tell rows apart",
        )


def range_faults(config: BlockConfig) -> Iterator[tuple[str, str, str]]:
    """Yield the key at fault in the settings of a block of time ranges, what is wrong, and what to do."""
    for key in _RANGED_NEED:
        if not getattr(config, key):
            yield "strategy", f"`strategy: time_range` needs `{key}`", _EXAMPLES[key]
    if config.key:
        yield "key", "`strategy: time_range` takes no `key`: an interval is replaced as a whole", ""
    for key in ("start", "end") if config.interval else ():
        text = getattr(config, key)
        border = floor(datetime.fromisoformat(text), config.interval) if text and config.interval else None
        if border is not None and written(border) != text:
            yield (
                key,
                f"`{key}` is not where {'an' if config.interval == 'hour' else 'a'} {config.interval} begins",
                f"the one that holds it begins at {written(border)}",
            )
    if config.start and config.end and config.end <= config.start:
        yield "end", f"`end` must be later than `start`, which is {config.start}", ""
    if any(index.unique for index in config.indexes):
        message = "a unique index holds within a few intervals alone: they are stored apart"
        yield "indexes", message, "take the assertion `unique`"


_EXAMPLES = {
    "time_column": "add `time_column:` with the column that tells when a row belongs to",
    "interval": "add `interval:` with `hour`, `day`, `week` or `month`",
    "start": "add `start:` with the time at which the first interval begins, such as `2026-01-01`",
}
