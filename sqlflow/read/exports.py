"""Where blocks may export to: files below the folders that the project allows, and tables of other targets."""

from collections.abc import Collection, Iterable, Iterator
from pathlib import PurePosixPath

from sqlflow.core.block import Block
from sqlflow.core.errors import Problem
from sqlflow.core.flow import TableExport
from sqlflow.core.names import TableName
from sqlflow.read.blocks import RESERVED_PREFIX, RESERVED_SCHEMAS, name_fault
from sqlflow.read.config import no_such_target

_OWN_NAME = "give it another name: with `{{ this.name }}` in it, instances and copies of a block have their own"


def refuse_files(blocks: Iterable[Block], folders: Iterable[str]) -> Iterator[Problem]:
    """Yield the files that lie in none of the `folders`, and those that several blocks would write."""
    allowed = [PurePosixPath(folder) for folder in folders]
    owners: dict[PurePosixPath, TableName] = {}
    for block in blocks:
        for export in block.flow.exports:
            path = PurePosixPath(export.path)
            if ".." in path.parts or not any(path.is_relative_to(folder) and path != folder for folder in allowed):
                listed = ", ".join(f"`{folder}`" for folder in allowed)
                hint = f"export to {listed}, or add the folder to `export_paths` of sqlflow.yml"
                yield Problem(f"`export`: `{path}` lies in no folder of `export_paths`", export.place, hint)
            elif path in owners:
                yield Problem(f"`export`: `{path}` is written by `{owners[path]}` too", export.place, _OWN_NAME)
            owners.setdefault(path, block.name)


def refuse_tables(blocks: Iterable[Block], chosen: str, targets: Collection[str]) -> Iterator[Problem]:
    """Yield the tables that no export may have: in a target that is none, or is the block's own, or by a name that is taken.

    `chosen` is the project's target, `targets` are the names of all.
    """
    found = [*blocks]
    built = {(block.config.target or chosen, block.name): block for block in found}
    owners: dict[tuple[str, TableName], TableName] = {}
    for block in found:
        for export in block.flow.tables:
            own, where = block.config.target or chosen, (export.target, export.table)
            if export.target not in targets:
                yield no_such_target(export.target, sorted(targets), export.target_place)
            elif export.target == own:
                message = f"`export`: `{block.name}` is built in `{own}` itself: a table of another target is meant"
                yield Problem(message, export.target_place, f"readers of `{own}` find it there as `{block.name}`")
            elif where in built:
                message = f"`export`: `{export.table}` is a block of `{export.target}`"
                yield Problem(message, export.place, "give the table another name")
            elif where in owners:
                message = f"`export`: `{export.table}` of `{export.target}` is written by `{owners[where]}` too"
                yield Problem(message, export.place, _OWN_NAME)
            else:
                yield from _faults(block, export)
            owners.setdefault(where, block.name)


def _faults(block: Block, export: TableExport) -> Iterator[Problem]:
    """Yield what keeps a table from having its name, and a block from being appended."""
    schema, name = export.table.schema, export.table.name
    for part in (schema, name):
        if fault := name_fault(part):
            yield Problem(f"`export.table`: {fault[0]}", export.place, fault[1])
    if schema in RESERVED_SCHEMAS or schema.startswith("pg_"):
        yield Problem(f"`export.table`: the schema `{schema}` is reserved", export.place, "choose another schema")
    if name.startswith(RESERVED_PREFIX):
        message = f"`export.table`: names that begin with `{RESERVED_PREFIX}` are reserved"
        yield Problem(message, export.place, "choose another name")
    if export.mode == "append" and (block.is_incremental or block.is_snapshot):
        kind = block.config.materialize
        message = f"`mode: append` would add all rows of `{block.name}` again after each build: it is `{kind}`, and keeps them"
        yield Problem(message, export.place, "say `mode: upsert` with a `key`, or `mode: replace`")
