"""What a version is called, and the fingerprint of what it is made from."""

import hashlib
import json
from typing import Any

from sqlflow.core.block import Block, Project
from sqlflow.core.names import TableName

STATE_SCHEMA = "_sqlflow"
_NAME_BYTES = 63
_HASH_CHARACTERS = 12


def fingerprint(block: Block, project: Project) -> str:
    """Return a hash of all of a block that shapes its data: its query, its settings, what its template read.

    The versions of its inputs are not part of it: they are recorded beside it.
    """
    config = block.config
    reads = block.query.reads if block.query else None
    content: dict[str, Any] = {
        "query": block.query.text.text if block.query else None,
        "materialize": config.materialize,
        "order_by": config.order_by,
        "statements": [query.text.text for query in (*block.pre_statements, *block.post_statements)],
        "types": {name: column.type for name, column in config.columns.items() if column.type},
        "vars": reads.vars if reads else (),
        "env": [(name, _hash(value)) for name, value in reads.env] if reads else (),
        "macros": reads.macros if reads else (),
        "macro_files": _hash("".join(file.text for file in project.macro_files)) if reads and reads.macros else "",
        "engine": project.target.engine.name,
    }
    return _hash(json.dumps(content, sort_keys=True))


def _hash(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def version_relation(block: TableName, run: str) -> TableName:
    """Return the relation that holds the version of `block` that `run` makes: readable, unique, at most 63 bytes."""
    mark = "__" + _hash(f"{block} {run}")[:_HASH_CHARACTERS]
    readable = f"{block.schema}__{block.name}".encode()[: _NAME_BYTES - len(mark)].decode(errors="ignore")
    return TableName(STATE_SCHEMA, readable + mark)


def helper_name(relation: TableName, purpose: str) -> str:
    """Return the name of something that belongs to a version, such as an index: hashed, so that it always fits."""
    return f"sqlflow_{_hash(f'{relation} {purpose}')[:24]}"
