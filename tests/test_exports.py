"""Files that blocks export: whole, of what is published, and nowhere else than the project allows."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from sqlflow.app import Project
from sqlflow.core import failpoints

ORDERS = "select range as order_id, 'customer ' || range as customer from range({rows})"


def project(
    folder: Path, rows: int = 3, export: str = "exports/orders.parquet", assertion: str = "order_id >= 0"
) -> Project:
    (folder / "blocks").mkdir(exist_ok=True)
    (folder / "sqlflow.yml").write_text("name: shop\n")
    front = f'export: "{export}"\nassert: ["{assertion}"]'
    (folder / "blocks/orders.sql").write_text(f"/*---\n{front}\n---*/\n{ORDERS.format(rows=rows)}\n")
    return Project.load(folder)


def rows_in(file: Path) -> int:
    return duckdb.sql(f"select count(*) from '{file}'").fetchall()[0][0]


@pytest.mark.parametrize("form", ["parquet", "csv", "csv.gz", "json", "jsonl"])
def test_a_file_holds_what_is_published(tmp_path: Path, form: str) -> None:
    assert project(tmp_path, 1000, f"exports/orders.{form}").build().ok
    found = duckdb.sql(
        f"select count(*), sum(order_id), max(customer) from '{tmp_path}/exports/orders.{form}'"
    ).fetchall()
    assert found == [(1000, 499500, "customer 999")]


def test_a_run_that_fails_leaves_the_file_as_it_is(tmp_path: Path) -> None:
    assert project(tmp_path).build().ok
    assert not project(tmp_path, 5, assertion="order_id < 4").build().ok
    assert rows_in(tmp_path / "exports/orders.parquet") == 3
    assert [file.name for file in (tmp_path / "exports").iterdir()] == ["orders.parquet"]


@pytest.mark.parametrize("name", ["export", "exported"])
def test_a_move_that_was_cut_off_is_made_up_for_by_the_next_build(tmp_path: Path, name: str) -> None:
    assert project(tmp_path).build().ok
    with failpoints.armed(f"{name}:1:raise") as failure:
        report = project(tmp_path, 5).build()
    assert failure.has_happened
    assert (report.status, [str(table) for table in report.published]) == ("failed", ["main.orders"])
    assert project(tmp_path, 5).build().ok
    assert rows_in(tmp_path / "exports/orders.parquet") == 5
    assert [file.name for file in (tmp_path / "exports").iterdir()] == ["orders.parquet"]


@pytest.mark.parametrize("name", ["export", "exported"])
def test_a_run_that_is_killed_between_publishing_and_the_file_is_made_up_for(tmp_path: Path, name: str) -> None:
    assert project(tmp_path).build().ok
    project(tmp_path, 5)
    killed = subprocess.run(
        [sys.executable, "-m", "sqlflow", "build"], cwd=tmp_path, env={**os.environ, "SQLFLOW_FAIL": f"{name}:1:kill"},
        capture_output=True, check=False,
    )  # fmt: skip
    assert killed.returncode == -signal.SIGKILL
    assert project(tmp_path, 5).build().ok
    assert rows_in(tmp_path / "exports/orders.parquet") == 5
    assert [file.name for file in (tmp_path / "exports").iterdir()] == ["orders.parquet"]


def test_what_a_killed_run_has_written_aside_is_taken_away(tmp_path: Path) -> None:
    (tmp_path / "exports").mkdir()
    (tmp_path / "exports/.orders.parquet.20260101T000000000abcd.new").touch()
    assert project(tmp_path).build().ok
    assert [file.name for file in (tmp_path / "exports").iterdir()] == ["orders.parquet"]


def test_a_link_does_not_lead_out_of_the_project(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop/exports").symlink_to(tmp_path / "outside")
    report = project(tmp_path / "shop").build()
    assert [problem.message for problem in report.problems] == [
        "`export`: a link on the way to `exports/orders.parquet` leads out of `export_paths`"
    ]
    assert (report.exit_code, report.published, list((tmp_path / "outside").iterdir())) == (4, (), [])


def test_where_a_file_cannot_be_written_nothing_is_published(tmp_path: Path) -> None:
    (tmp_path / "exports/orders.parquet").mkdir(parents=True)
    report = project(tmp_path).build()
    assert [str(problem) for problem in report.problems] == [
        "blocks/orders.sql:2:9: `export`: `exports/orders.parquet` cannot be written: Is a directory\n"
        '    2 | export: "exports/orders.parquet"\n      |         ^^^^^^^^^^^^^^^^^^^^^^'
    ]
    assert (report.exit_code, report.published) == (4, ())


def test_an_absolute_folder_that_the_project_names_takes_files(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop/blocks").mkdir()
    (tmp_path / "shop/sqlflow.yml").write_text(f"name: shop\nexport_paths: ['{tmp_path}/share']\n")
    (tmp_path / "shop/blocks/a.sql").write_text(f"/*---\nexport: {tmp_path}/share/a.csv\n---*/\nselect 1 as one")
    assert Project.load(tmp_path / "shop").build().ok
    assert (tmp_path / "share/a.csv").read_text() == "one\n1\n"


def test_a_column_that_no_file_holds_is_refused_by_its_name(tmp_path: Path) -> None:
    project(tmp_path)
    (tmp_path / "blocks/orders.sql").write_text(
        "/*---\nexport: exports/a.parquet\n---*/\nselect 1 as one, '101'::bit as bits"
    )
    report = Project.load(tmp_path).build()
    assert [problem.message for problem in report.problems] == [
        "`export`: the column `bits` is BIT, which no file holds as it is"
    ]
