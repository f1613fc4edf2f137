"""What readers see while a run lasts, and what is there when it has ended."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support import write

from sqlflow import Project
from sqlflow.core import events
from sqlflow.core.engine import Column, Connection, Session
from sqlflow.core.errors import BuildError
from sqlflow.core.names import TableName
from sqlflow.run.shapes import Shapes

FILES = {
    "sqlflow.yml": "name: p\nvars: {low: 1, edition: 1}\n",
    "blocks/staging/a.sql": "/*---\nassert: ['id >= 1']\n---*/\nselect {{ var('low') }} as id, {{ var('edition') }} as edition",
    "blocks/marts/b.sql": "select id, edition from a",
    "blocks/marts/c.sql": "/*---\nmaterialize: view\n---*/\nselect edition from marts.b",
    "blocks/other/d.sql": "select {{ var('edition') }} as edition",
}
SHOWN = ("staging.a", "marts.b", "marts.c", "other.d")


@contextmanager
def opened(project: Project) -> Iterator[Connection]:
    """Yield another connection to the target, in the same process: DuckDB lets no other one in."""
    loaded = project.loaded
    connection = loaded.target.engine.open(loaded.target.settings, loaded.root)
    try:
        yield connection
    finally:
        connection.close()


@contextmanager
def second_connection(project: Project) -> Iterator[Session]:
    """Yield a session of another connection to the target."""
    with opened(project) as connection:
        yield connection.session()


def editions(session: Session) -> list[int]:
    sql = " union all ".join(f"select edition from {name}" for name in SHOWN)
    return [edition for (edition,) in session.rows(sql).rows]


def test_a_failing_assertion_leaves_every_reader_on_the_old_data_during_and_after_the_run(tmp_path: Path) -> None:
    write(tmp_path, FILES)
    assert Project.load(tmp_path).build().ok
    broken = Project.load(tmp_path, vars={"low": 0, "edition": 2})
    seen: list[list[int]] = []
    with second_connection(broken) as reader:

        def look(event: events.Event) -> None:
            seen.append(editions(reader))

        report = broken.build(listener=look)
        assert report.status == "failed"
        assert len(seen) > 5
        assert [*seen, editions(reader)] == [[1, 1, 1, 1]] * (len(seen) + 1)


def test_publish_passing_shows_what_passed_with_all_its_inputs_and_nothing_below_a_failure(tmp_path: Path) -> None:
    write(tmp_path, FILES)
    assert Project.load(tmp_path).build().ok
    report = Project.load(tmp_path, vars={"low": 0, "edition": 2}).build(publish_what="passing")
    with second_connection(Project.load(tmp_path)) as reader:
        assert (report.exit_code, [str(name) for name in report.published]) == (1, ["other.d"])
        assert editions(reader) == [1, 1, 1, 2]


def test_old_versions_go_and_those_that_a_view_needs_stay(tmp_path: Path) -> None:
    write(tmp_path, FILES | {"sqlflow.yml": FILES["sqlflow.yml"] + "keep: 0.000001\n"})
    for edition in range(1, 4):
        assert Project.load(tmp_path, vars={"edition": edition}).build().ok
    with second_connection(Project.load(tmp_path)) as reader:
        there = reader.rows(
            "select count(*) from duckdb_tables() where schema_name = '_sqlflow' and table_name not like 'sqlflow_%'"
        )
        assert there.rows == ((3,),)
        assert editions(reader) == [3, 3, 3, 3]


def test_a_relation_that_sqlflow_did_not_make_is_refused_and_left_alone(tmp_path: Path) -> None:
    write(tmp_path, FILES)
    project = Project.load(tmp_path)
    with second_connection(project) as session:
        session.execute("create schema other")
        session.execute("create table other.d as select 'precious' as edition")
    with pytest.raises(BuildError, match="not made by sqlflow"):
        project.build()
    with second_connection(project) as session:
        assert session.rows("select * from other.d").rows == (("precious",),)


def test_a_view_made_by_hand_in_place_of_ours_is_refused(tmp_path: Path) -> None:
    write(tmp_path, FILES)
    project = Project.load(tmp_path)
    assert project.build().ok
    with second_connection(project) as session:
        session.execute("create or replace view other.d as select 'by hand' as edition")
    with pytest.raises(BuildError, match="not made by sqlflow"):
        project.build()


def test_views_over_what_is_built_come_along(tmp_path: Path) -> None:
    write(tmp_path, FILES)
    assert Project.load(tmp_path).build().ok
    write(tmp_path, {"blocks/marts/b.sql": "select id, edition + 1 as edition from a"})
    report = Project.load(tmp_path).build(["marts.b"])
    assert [str(name) for name in report.published] == ["marts.b", "marts.c"]


def test_cancelling_stops_the_query_publishes_nothing_and_says_so(tmp_path: Path) -> None:
    write(tmp_path, FILES)
    assert Project.load(tmp_path).build().ok
    write(tmp_path, {"blocks/other/d.sql": "select count(*) as edition from range(10000000) x, range(10000000) y"})
    project = Project.load(tmp_path, vars={"edition": 2})

    def interrupt(event: events.Event) -> None:
        if isinstance(event, events.BlockStarted) and event.block == "other.d":
            import _thread

            _thread.interrupt_main()

    report = project.build(listener=interrupt)
    with second_connection(project) as reader:
        assert (report.status, report.exit_code, report.published) == ("cancelled", 130, ())
        assert editions(reader) == [1, 1, 1, 1]


def test_columns_that_are_not_as_expected_are_those_that_the_query_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is expected of a block, as it was looked at before the run, is held against the table that was made."""
    write(tmp_path, {"sqlflow.yml": "name: p\n", "blocks/a.sql": "select 1 as id", "blocks/b.sql": "select id from a"})
    wrong = {TableName("main", name): (Column("other", "INTEGER"),) for name in ("a", "b")}
    monkeypatch.setattr(Shapes, "told", lambda self, names: wrong)
    assert Project.load(tmp_path).build().ok
    monkeypatch.undo()
    assert Project.load(tmp_path).shown("b").columns == ("id",)
    write(tmp_path, {"blocks/a.sql": "select 2 as id"})
    assert [str(result.block) for result in Project.load(tmp_path).build().blocks if result.status == "built"] == [
        "main.a", "main.b"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("query", "message"),
    [("select 1 as id, 2 as id", "duplicate column `id`"), ("select null as id", "is NULL without a type")],
)
def test_columns_that_cannot_be_a_table_are_told_whatever_was_expected(
    query: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, {"sqlflow.yml": "name: p\n", "blocks/a.sql": query})
    expected = {TableName("main", "a"): (Column("id", "INTEGER"), Column("other", "INTEGER"))}
    monkeypatch.setattr(Shapes, "told", lambda self, names: expected)
    report = Project.load(tmp_path).build()
    assert report.status == "failed"
    assert message in report.blocks[0].problems[0].message
    with second_connection(Project.load(tmp_path)) as session:
        assert session.rows("select count(*) from duckdb_tables() where table_name like 'main__a%'").rows == ((0,),)
