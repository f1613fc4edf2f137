"""The Python API gives the values that the command line prints."""

from pathlib import Path

import pytest
from support import write

from sqlflow import Project
from sqlflow.core import events
from sqlflow.core.errors import UsageError

FILES = {
    "blocks/staging/a.sql": "/*---\nassert: [{unique: id}]\n---*/\nselect 9007199254740993 as id union all select null",
    "blocks/marts/b.sql": "select count(*) as rows_there from staging.a",
    "sqlflow.yml": "name: p\n",
}


def test_a_plan_is_a_value_with_a_reason_for_each_block(tmp_path: Path) -> None:
    plan = Project.load(write(tmp_path, FILES)).plan(["staging.a"])
    assert [(str(step.block), step.action, step.reason) for step in plan.steps] == [
        ("staging.a", "build", "never built"),
        ("marts.b", "skip", "not selected"),
    ]


def test_planning_makes_no_file(tmp_path: Path) -> None:
    Project.load(write(tmp_path, FILES)).plan()
    assert not (tmp_path / "warehouse.duckdb").exists()


def test_a_build_reports_blocks_assertions_and_what_was_published(tmp_path: Path) -> None:
    heard: list[str] = []
    report = Project.load(write(tmp_path, FILES)).build(listener=lambda event: heard.append(type(event).__name__))
    assert (report.status, report.exit_code, [str(name) for name in report.published]) == (
        "succeeded", 0, ["staging.a", "marts.b"],
    )  # fmt: skip
    assert [(str(block.block), block.rows) for block in report.blocks] == [("staging.a", 2), ("marts.b", 1)]
    assert [(check.assertion, check.status) for check in report.assertions] == [("unique(id)", "passed")]
    assert heard == [
        "RunStarted", "BlockStarted", "BlockBuilt", "AssertionFinished", "BlockStarted", "BlockBuilt", "Published", "RunFinished",
    ]  # fmt: skip


def test_a_frame_keeps_integers_beside_null(tmp_path: Path) -> None:
    project = Project.load(write(tmp_path, FILES))
    assert project.build().ok
    frame = project.frame("staging.a")
    assert str(frame["id"].dtype) == "int64[pyarrow]"
    assert sorted(frame["id"].dropna().tolist()) == [9007199254740993]


def test_a_frame_of_what_was_never_built_is_refused_with_the_next_step(tmp_path: Path) -> None:
    project = Project.load(write(tmp_path, FILES))
    assert project.build(["staging.a"]).ok
    with pytest.raises(UsageError, match=r"sqlflow build marts\.b"):
        project.frame("b")


def test_an_event_is_told_for_what_happens_to_each_block(tmp_path: Path) -> None:
    write(tmp_path, FILES | {"blocks/staging/a.sql": "select cast('x' as integer) as id"})
    heard: list[events.Event] = []
    report = Project.load(tmp_path).build(listener=heard.append)
    failed = [event for event in heard if isinstance(event, events.BlockFailed)]
    skipped = [event for event in heard if isinstance(event, events.BlockSkipped)]
    assert ([event.block for event in failed], [event.block for event in skipped]) == (["staging.a"], ["marts.b"])
    assert "blocks/staging/a.sql:1:8" in failed[0].error
    assert report.exit_code == 1
