"""Small projects for tests: folders written from texts, and values made without a disk."""

import os
from collections.abc import Mapping
from pathlib import Path

import duckdb
import pyarrow as pa

from sqlflow.core.block import Block, Project, Query, TableUse, Target
from sqlflow.core.config import BlockConfig, ProjectConfig
from sqlflow.core.names import TableName
from sqlflow.core.text import MappedText, SourceFile
from sqlflow.read.engines import engine
from sqlflow_duckdb.connection import DuckDBSession


def times(few: int, many: int) -> int:
    """Return how often a test does what cannot be done often enough: `many` times in `make torture`."""
    return many if os.environ.get("SQLFLOW_TORTURE") else few


def write(folder: Path, files: Mapping[str, str]) -> Path:
    """Write the files below `folder` and return it."""
    for path, text in files.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return folder


def target() -> Target:
    """Return a target in memory."""
    adapter = engine("duckdb")
    return Target("dev", adapter, adapter.settings(engine="duckdb", path=":memory:"), "main")


def block(name: str, reads: tuple[str, ...] = (), config: BlockConfig | None = None) -> Block:
    """Return the block `select * from a, b` as reading it from a file would give it."""
    sql = "select * from " + ", ".join(reads) if reads else "select 1 as id"
    source = SourceFile(f"blocks/{name.replace('.', '/')}.sql", sql)
    uses, offset = [], len("select * from ")
    for read in reads:
        uses.append(TableUse(TableName.parse(read), offset, offset + len(read)))
        offset += len(read) + 2
    query = Query(MappedText.whole(source), tuple(uses))
    return Block(TableName.parse(name), "sql", source, config or BlockConfig(), query)


def project(*blocks: Block) -> Project:
    """Return a project of the blocks, with no folder behind it."""
    return Project(Path(), ProjectConfig(name="p"), target(), {found.name: found for found in blocks}, (), {}, {})


def store(connection: duckdb.DuckDBPyConnection, name: str, rows: pa.Table) -> None:
    """Make a table of rows as a build does."""
    connection.execute(f"drop table if exists {name}")
    DuckDBSession(connection.cursor(), Path()).load(TableName.of("main", name), rows.to_reader())
