"""What a version is called, and the key that tells whether it is still good.

A key is a hash of all that shapes a block's data: its code, its settings, and the keys of what it reads. Two blocks of
one key have the same rows, whoever built them. Where that cannot be known, there is no key, and the reason is told.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from msgspec import Struct

from sqlflow.core.block import Assertion, Block, Function, Project
from sqlflow.core.config import BlockConfig, IndexConfig
from sqlflow.core.names import TableName

STATE_SCHEMA = "_sqlflow"
FORM = 3
"""Counted up when a new sqlflow would build other rows from the same code, or tells apart what an older one did not: nothing that
is older is used again then, but as what incremental blocks go on from."""
REFRESH = "refresh"
"""The name under which the time counts as something that a block reads."""
SERVER = "the server's version"
"""The name under which the version of a target's server counts as something that a block reads."""
DEFINITIONS = "a function, type or operator of the target's own"
"""The name under which what a target defines itself counts as something that a block reads."""
OF_TARGET = frozenset({SERVER, DEFINITIONS})
INTERVALS = "its intervals"
"""The name under which the intervals that a block of time ranges has count as something that it reads."""
_PERIODS = {"hourly": 3600, "daily": 86400}
NAME_BYTES = 63
_HASH_CHARACTERS = 12
_SORTED = json.JSONEncoder(sort_keys=True, default=str)


class Key(Struct, frozen=True):
    """What a version is made from. `text` is empty where it cannot be known, and `unknown` says why.

    `code` is the part that is the block's own, `inputs` are the keys of what it reads, by name.
    """

    text: str
    code: str
    inputs: tuple[tuple[str, str], ...]
    unknown: str = ""


def version_key(
    block: Block, project: Project, inputs: Mapping[str, str], outside: Mapping[str, str], seconds: float = 0.0
) -> Key:
    """Return the key of a block, given the keys of the blocks that it reads and the versions of files and sources.

    An empty key or version is one that is not known. `seconds` (since 1970) is the time that `refresh` goes by.
    """
    code = _code(block, project)
    read = tuple(sorted({**inputs, **_refreshed(block, outside, seconds)}.items()))
    unknown = _unknown(block, read)
    return Key("" if unknown else _hash(json.dumps([FORM, code, read])), code, read, unknown)


def _refreshed(block: Block, outside: Mapping[str, str], seconds: float) -> Mapping[str, str]:
    """Return the versions of what a block reads from outside; with `refresh`, those that are not known are the time.

    A function goes by the time too, whatever its text says: it may reach more than that shows.
    """
    refresh = block.config.refresh
    if refresh == "always":
        return outside
    time = f"{refresh} {int(seconds // _PERIODS[refresh]) if refresh in _PERIODS else ''}".strip()
    known = {name: version or time for name, version in outside.items()}
    is_of_time = block.function is not None or (block.code is not None and block.code.volatile)
    return known | {REFRESH: time} if is_of_time else known


def goes_by_time(versions: Iterable[str]) -> bool:
    """Tell whether what counts as one of the versions that are read is the time of reading, as `refresh` says."""
    return any(version.partition(" ")[0] in ("never", *_PERIODS) for version in versions)


def _unknown(block: Block, read: tuple[tuple[str, str], ...]) -> str:
    volatile = block.code.volatile if block.code and block.config.refresh == "always" else ""
    if block.pre_statements or block.post_statements:
        volatile = "what its statements do is not looked into"
    missing = next((name for name, key in read if not key), "")
    return volatile or (f"the version of `{missing}` is not known" if missing else "")


def _code(block: Block, project: Project) -> str:
    """Return a hash of what is the block's own: its query, its settings, what its template read."""
    query = block.code.code or block.code.text.text if block.code else None
    content = {"name": str(block.name), "query": query, **settings_of(block, project)}
    return _hash(_SORTED.encode(content))


def settings_of(block: Block, project: Project) -> dict[str, Any]:
    """Return all that shapes a block's rows beside its query and what it reads; what may hold secrets as hashes."""
    config = block.config
    reads = block.code.reads if block.code else None
    return {
        "materialize": config.materialize,
        "order_by": config.order_by,
        "indexes": [_index(index) for index in config.indexes],
        **({"options": config.options} if config.options else {}),
        "statements": [_hash(query.text.text) for query in (*block.pre_statements, *block.post_statements)],
        "types": {name: column.type for name, column in config.columns.items() if column.type},
        "contract": config.contract,
        "refresh": config.refresh,
        "vars": reads.vars if reads else (),
        "env": [(name, _hash(value)) for name, value in reads.env] if reads else (),
        **({"target": project.target.name} if block.function and block.function.names_target else {}),
        **({"incremental": _incremental(config)} if block.is_incremental else {}),
        **({"snapshot": _of_snapshot(config)} if block.is_snapshot else {}),
        "macros": _hash_of_setting("".join(file.text for file in project.macro_files))
        if reads and reads.macros
        else "",
        **({} if block.is_continued else {"form": FORM}),
        "engine": (project.target.engine.name, "" if block.is_continued else project.target.engine.version()),
        "root": str(project.root.resolve()) if config.materialize in ("view", "ephemeral") else "",
        "settings": _hash_of_setting(repr(getattr(project.target.settings, "settings", ""))),
    }


def _of_snapshot(config: BlockConfig) -> tuple[Any, ...]:
    return (config.key, config.updated_at, config.check, config.hard_deletes)


def _incremental(config: BlockConfig) -> tuple[Any, ...]:
    more = (config.time_column, config.interval) if config.strategy == "time_range" else ()
    return (config.strategy, config.key, *more)


def _index(index: IndexConfig) -> tuple[Any, ...]:
    more = (index.expressions, index.where) if index.expressions or index.where else ()
    return (index.columns, index.unique, *more)


def assertion_key(assertion: Assertion, inputs: Mapping[str, str]) -> str:
    """Return the key under which an assertion that has passed need not run again; empty if it must.

    `inputs` are the keys of the blocks that it reads, its own among them, and the versions of files and of the target.
    """
    query = assertion.code
    if query.volatile or not query.code or not all(inputs.values()):
        return ""
    limit = assertion.fail_above
    more: list[Any] = ["new"] if assertion.new_only else []
    if isinstance(query, Function):  # what a template read stands in its text
        more += (*query.reads.vars, *query.reads.env)
    return _hash(
        json.dumps([FORM, query.code, assertion.severity, limit.rows, limit.share, sorted(inputs.items()), *more])
    )


def _hash(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


@lru_cache(64)  # few texts, which every block of a project shares
def _hash_of_setting(text: str) -> str:
    return _hash(text)


def version_relation(block: TableName, run: str) -> TableName:
    """Return the relation that holds the version of `block` that `run` makes: readable, unique, at most 63 bytes."""
    mark = "__" + _hash(f"{block} {run}")[:_HASH_CHARACTERS]
    readable = f"{block.schema}__{block.name}".encode()[: NAME_BYTES - len(mark)].decode(errors="ignore")
    return TableName(STATE_SCHEMA, readable + mark)


def source_relation(source: TableName, version: str) -> TableName:
    """Return the relation that holds a version of a source's files."""
    return version_relation(source, f"source {version}")


def new_rows(version: TableName) -> TableName:
    """Return the relation that holds the new rows of a version, where an assertion looks at them alone."""
    return TableName(STATE_SCHEMA, helper_name(version, "new"))


def helper_name(relation: TableName, purpose: str) -> str:
    """Return the name of something that belongs to a version, such as an index: hashed, so that it always fits."""
    return f"sqlflow_{_hash(f'{relation} {purpose}')[:24]}"
