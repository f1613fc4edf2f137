"""`publish_copy`: a file beside the warehouse that readers may have open while a build writes."""

import signal
from pathlib import Path

import crash
import duckdb
import pytest
from support import write

from sqlflow import Project
from sqlflow.core import failpoints

FILES = {
    "sqlflow.yml": "name: p\ntargets: {dev: {engine: duckdb, publish_copy: out/copy.duckdb}}\nvars: {edition: 1}\n",
    "blocks/a.sql": "/*---\ndescription: What it is.\ncolumns: {edition: Which one.}\n---*/\nselect {{ var('edition') }} as edition",
    "blocks/marts/b.sql": "/*---\nmaterialize: view\n---*/\nselect edition from a",
    "out/.keep": "",
}


def copied(folder: Path) -> list[tuple[int, ...]]:
    with duckdb.connect(str(folder / "out/copy.duckdb"), read_only=True) as reader:
        return reader.execute("select a.edition, b.edition from a, marts.b").fetchall()


def test_the_copy_holds_what_is_published_as_tables_with_their_comments(tmp_path: Path) -> None:
    write(tmp_path, FILES)
    assert Project.load(tmp_path).build().ok
    with duckdb.connect(str(tmp_path / "out/copy.duckdb"), read_only=True) as reader:
        tables = reader.execute("select schema_name, table_name, comment from duckdb_tables() order by all").fetchall()
        columns = reader.execute(
            "select comment from duckdb_columns() where table_name = 'a' and not internal"
        ).fetchall()
    assert tables == [("_sqlflow", "sqlflow_copy", None), ("main", "a", "What it is."), ("marts", "b", None)]
    assert columns == [("Which one.",)]
    assert copied(tmp_path) == [(1, 1)]
    assert (tmp_path / "out/copy.duckdb").stat().st_mode & 0o222 == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [".keep", "copy.duckdb"]


def test_a_reader_keeps_its_copy_while_the_next_one_takes_its_place(tmp_path: Path) -> None:
    write(tmp_path, FILES)
    assert Project.load(tmp_path).build().ok
    with duckdb.connect(str(tmp_path / "out/copy.duckdb"), read_only=True) as reader:
        process = crash.in_process(tmp_path)
        process.join()
        assert process.exitcode == 0
        assert reader.execute("select edition from a").fetchall() == [(1,)]
    assert copied(tmp_path) == [(2, 2)]


def test_a_copy_that_is_gone_or_of_an_older_run_is_written_by_a_build_that_has_nothing_to_do(tmp_path: Path) -> None:
    write(tmp_path, FILES)
    assert Project.load(tmp_path).build().ok
    written = (tmp_path / "out/copy.duckdb").stat().st_mtime_ns
    assert Project.load(tmp_path).build().ok
    assert (tmp_path / "out/copy.duckdb").stat().st_mtime_ns == written
    (tmp_path / "out/copy.duckdb").unlink()
    assert Project.load(tmp_path).build().ok
    assert copied(tmp_path) == [(1, 1)]


@pytest.mark.parametrize("place", ["copy written", "copy in place"])
def test_a_kill_while_the_copy_is_written_leaves_a_whole_one(place: str, tmp_path: Path) -> None:
    write(tmp_path, FILES)
    assert Project.load(tmp_path).build().ok
    process = crash.in_process(tmp_path, f"{place}:1:kill")
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert copied(tmp_path) == [(1, 1)] if place == "copy written" else [(2, 2)]
    assert Project.load(tmp_path, vars={"edition": 2}).build().ok
    assert copied(tmp_path) == [(2, 2)]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [".keep", "copy.duckdb"]


def test_a_copy_that_cannot_be_written_is_told_and_what_is_published_stays(tmp_path: Path) -> None:
    write(tmp_path, FILES)
    assert Project.load(tmp_path).build().ok
    with failpoints.armed("copy written:1:enospc"):
        report = Project.load(tmp_path, vars={"edition": 2}).build()
    assert (report.status, report.exit_code, [str(name) for name in report.published]) == (
        "failed",
        4,
        ["main.a", "marts.b"],
    )
    assert copied(tmp_path) == [(1, 1)]
    (tmp_path / "out/.keep").unlink()
    (tmp_path / "out").rename(tmp_path / "away")
    report = Project.load(tmp_path, vars={"edition": 3}).build()
    assert "published, but the copy `" in report.problems[0].message


def test_the_sandbox_lets_the_copy_out_and_nothing_else(tmp_path: Path) -> None:
    write(tmp_path / "p", FILES)
    path = tmp_path / "copy.duckdb"
    write(
        tmp_path / "p",
        {
            "sqlflow.yml": f"name: p\nvars: {{edition: 1}}\ntargets: {{dev: {{engine: duckdb, sandbox: true, publish_copy: {path}}}}}\n"
        },
    )
    assert Project.load(tmp_path / "p").build().ok
    with duckdb.connect(str(path), read_only=True) as reader:
        assert reader.execute("select edition from a").fetchall() == [(1,)]


def test_the_copy_cannot_be_the_warehouse_itself(tmp_path: Path) -> None:
    write(
        tmp_path,
        FILES
        | {
            "sqlflow.yml": "name: p\nvars: {edition: 1}\ntargets: {dev: {engine: duckdb, publish_copy: warehouse.duckdb}}\n"
        },
    )
    with pytest.raises(Exception, match="is the database itself"):
        Project.load(tmp_path).build()
