"""Static checks give no false alarm: every statement of the fixtures, with its tables known and unknown, and the example."""

from collections.abc import Iterable
from pathlib import Path

import duckdb
import pytest
from support import project as project_of
from test_example import EXAMPLE
from test_inference import CASES as STATEMENTS
from test_lineage import CASES as QUERIES
from test_lineage import SCHEMA, TABLES

from sqlflow import Project
from sqlflow.core.block import Block, Query
from sqlflow.core.config import BlockConfig
from sqlflow.core.engine import Column
from sqlflow.core.names import TableName
from sqlflow.core.text import MappedText, Place, SourceFile
from sqlflow.plan.graph import graph
from sqlflow.read.engines import engine
from sqlflow.read.sql import infer
from sqlflow.run import static_check

WRONG = {"a column that nobody has"}
"""The queries of the fixtures that DuckDB itself refuses for their columns."""


def block(sql: str) -> Block:
    """Return a block of a query whose tables are sources."""
    source = SourceFile("blocks/own_schema/checked.sql", sql)
    text = MappedText.whole(source)
    found = infer(text, engine("duckdb"), Place(source.path))
    query = Query(text.slice(0, found.end), found.tables, found.files, opaque=found.opaque, unclear=found.unclear)
    return Block(TableName("own_schema", "checked"), "sql", source, BlockConfig(), query)


def checked(sql: str, known: static_check.Known) -> static_check.Checked:
    project = project_of(block(sql))
    with static_check.shapes(graph(project), known) as shapes:
        return static_check.checked(shapes, project.blocks)


def columns_of(names: Iterable[str]) -> dict[TableName, tuple[Column, ...]]:
    with duckdb.connect(config={"threads": 1}) as there:
        there.execute(SCHEMA)
        return {
            TableName.parse(name): tuple(Column(*row[:2]) for row in there.execute(f"describe {name}").fetchall())
            for name in names
        }


KNOWN = columns_of(TABLES)


@pytest.mark.parametrize("case", [case for case in QUERIES if case.name not in WRONG], ids=lambda case: case.name)
def test_a_query_over_known_tables_gives_no_false_alarm(case: object) -> None:
    assert checked(case.sql, KNOWN.get).problems == ()  # type: ignore[attr-defined]


@pytest.mark.parametrize("case", STATEMENTS, ids=lambda case: case.name)
def test_a_statement_over_unknown_tables_gives_no_alarm(case: object) -> None:
    assert checked(case.sql, lambda name: None).problems == ()  # type: ignore[attr-defined]


def test_most_queries_over_known_tables_are_checked() -> None:
    """Else their silence would show nothing."""
    unknown = [case.name for case in QUERIES if checked(case.sql, KNOWN.get).unknown]
    assert len(unknown) < 0.1 * len(QUERIES), unknown


def test_the_queries_of_the_example_are_right() -> None:
    if not (Path(EXAMPLE) / "data").is_dir():
        pytest.fail("the example has no data: run example_warehouse/prepare.py")
    found = Project.load(EXAMPLE).check()
    assert found.problems == ()
    assert len(found.blocks) - len(found.unknown) >= 29
