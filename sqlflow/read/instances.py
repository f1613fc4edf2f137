"""Instances: blocks that are other blocks with other vars, and tables of their own.

A `.yml` file in a block folder holds one, or a list of them: `use: marts.revenue`, `with: {country: FR}`. Files of that
kind that say no `use` belong to somebody else, as those of other tools, and are passed over.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from sqlflow.core.block import Block, Instance
from sqlflow.core.config import BlockConfig, InstanceConfig
from sqlflow.core.errors import Problem, ProjectError, did_you_mean
from sqlflow.core.names import TableName
from sqlflow.core.node import Node
from sqlflow.core.text import SourceFile
from sqlflow.read.blocks import Reading, table_name
from sqlflow.read.decode import decoded
from sqlflow.read.yaml import parse

_VAR = re.compile(r"""\bvar\s*\(\s*['"](\w+)['"]""")
Read = Callable[[Block, TableName, Mapping[str, Any], Reading], Block | None]
"""Reads a block's file again, under another name and with other vars."""


class Declared(Struct, frozen=True):
    """An instance as its file says it."""

    node: Node
    config: InstanceConfig
    folder: str


def declared(source: SourceFile, folder: str, problems: list[Problem]) -> Iterator[Declared]:
    """Yield the instances that a file declares; none for a file of another kind."""
    if "use" not in source.text:
        return
    try:
        document = parse(source)
    except ProjectError as error:
        problems.extend(error.problems)
        return
    items = () if document is None else document.items if document.kind == "list" else (document,)
    if not any(item.get("use") for item in items):
        return
    for item in items:
        config = decoded(item, InstanceConfig, problems)
        if config is not None:
            yield Declared(item, config, folder)


def instances(
    found: list[Declared], blocks: Mapping[TableName, Block], reading: Reading, read: Read
) -> Iterator[Block]:
    """Yield the blocks that are declared as others of `blocks`; what is wrong is added to the problems of `reading`."""
    for one in found:
        try:
            original = _original(one, blocks)
        except ProjectError as error:
            reading.problems.extend(error.problems)
            continue
        name = _name(one, original, reading)
        if name is None:
            continue
        own: list[Problem] = []
        block = read(original, name, one.config.vars, replace(reading, problems=own))
        reading.problems.extend(
            Problem(f"as `{name}`: {p.message}", p.place, p.hint) for p in own if p not in reading.problems
        )
        if block is not None:
            reading.problems.extend(_unread(one, block, original))
            place = one.node.source.place(one.node.offset)
            said = Instance(original.name, one.config.vars, place)
            config = msgspec.structs.replace(
                block.config, description=one.config.description or block.config.description
            )
            yield replace(block, instance=said, config=config)


def _original(one: Declared, blocks: Mapping[TableName, Block]) -> Block:
    node = one.node.get("use") or one.node
    wanted = TableName.parse(one.config.use)
    found = sorted(name for name in blocks if name == wanted or (not wanted.schema and name.name == wanted.name))
    if len(found) > 1:
        listed = " or ".join(f"`{name}`" for name in found)
        raise ProjectError(f"`use`: `{wanted}` could be {listed}", node.place, "write the schema before the name")
    if not found:
        known = [str(name) for name in blocks] + [name.name for name in blocks]
        hint = did_you_mean(one.config.use, known) or "`sqlflow list` shows all blocks"
        raise ProjectError(f"`use`: no such block: `{one.config.use}`", node.place, hint)
    if blocks[found[0]].code is None:
        raise ProjectError(f"`use`: `{found[0]}` is a seed, which reads no vars", node.place, "use a block")
    return blocks[found[0]]


def _name(one: Declared, original: Block, reading: Reading) -> TableName | None:
    """Return the name that is given, in the original's schema if it has none; else the name of the file."""
    if one.config.name is None:
        return table_name(one.node.source.path, one.folder, BlockConfig(), reading)
    parsed = TableName.parse(one.config.name)
    config = BlockConfig(schema=parsed.schema or original.name.schema, name=parsed.name or None)
    return table_name(one.node.source.path, one.folder, config, reading)


def _unread(one: Declared, block: Block, original: Block) -> Iterator[Problem]:
    """Yield the vars that nothing in the block reads; none where that is known only at run time."""
    is_open = (
        block.function.declared.takes_context if block.function else block.query is not None and block.query.dynamic
    )
    if is_open:
        return
    queries = (block.code, block.continuing, *(check.code for check in block.assertions))
    statements = (*block.pre_statements, *block.post_statements)
    read = {name for query in (*queries, *statements) if query is not None for name, _ in query.reads.vars}
    # What conditions, paths and the like of the front matter read is not kept with them.
    read |= set(_VAR.findall(original.source.text[: original.body]))
    written = one.node.get("with")
    for key, _ in written.pairs if written is not None else ():
        if key.text not in read:
            hint = did_you_mean(key.text, read) or (
                f"it reads {', '.join(f'`{name}`' for name in sorted(read))}" if read else ""
            )
            yield Problem(f"`with`: `{original.name}` reads no var `{key.text}`", key.place, hint)
