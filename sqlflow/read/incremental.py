"""Incremental blocks as they are read: the query for the whole table, and the one for its new rows."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace

from sqlflow.core.block import Query, Reads
from sqlflow.core.config import BlockConfig
from sqlflow.core.errors import Problem
from sqlflow.core.names import TableName
from sqlflow.core.text import Place
from sqlflow.read.front_matter import SqlFile
from sqlflow.read.snapshots import SNAPSHOT_ALONE, faults_of_snapshot

INCREMENTAL_ALONE = ("strategy", "key", "on_schema_change", "on_change", "protect")
_DEFAULTS = BlockConfig()
_STRATEGIES = "`append`, or with `merge` or `delete_insert` and a `key`"


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
    elif config.strategy == "append" and config.key:
        yield "key", "`strategy: append` takes no `key`: it replaces nothing", "use `merge` or `delete_insert`"
    elif config.strategy != "append" and not config.key:
        yield (
            "strategy",
            f"`strategy: {config.strategy}` needs a `key`",
            "add `key:` with the columns that tell rows apart",
        )
