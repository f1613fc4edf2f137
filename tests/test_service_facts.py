"""What is late and what is stale: told once, on the clock of the pipeline's time zone."""

from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import pytest
from serving import ended, project, served, until

from sqlflow.core.node import Node
from sqlflow.core.pipeline import Pipeline
from sqlflow.core.text import SourceFile
from sqlflow.service.facts import late_day, watch
from sqlflow.service.history import History
from sqlflow.service.leases import End, Membership, finish
from sqlflow.service.queue import Limits
from sqlflow.service.states import RunStatus

NODE = Node("mapping", SourceFile("pipelines/p.yml", ""), 0)
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def pipeline(schedule: str | None = "0 5 * * *", **keys: object) -> Pipeline:
    given = {"timezone": "Europe/Berlin", "deadline": time(7), **keys}
    return Pipeline("p", NODE, schedule=schedule, **given)  # type: ignore[arg-type]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def ran(history: History, pipeline: Pipeline, status: RunStatus, finished: datetime) -> None:
    """Let a run of the pipeline have ended at a time."""
    run = history.request_run("p")
    member = Membership(history, clock=lambda: finished)
    member.join()
    member.claim({"p": pipeline}, Limits())
    with history.database.transaction() as transaction:
        finish(transaction, run.id, 1, End(status), {"p": pipeline}, finished)


def told(history: History) -> list[tuple[str, object]]:
    return [
        (change.kind, change.body.get("deadline") or change.body.get("since"))
        for change in history.changes()
        if change.kind != "ended"
    ]


@pytest.mark.parametrize(
    ("schedule", "now", "expected"),
    [
        ("0 5 * * *", "2026-06-01T04:59", False),  # 06:59 in Berlin
        ("0 5 * * *", "2026-06-01T05:00", True),
        ("0 5 * * *", "2026-12-01T05:30", False),  # 06:30 in winter
        ("0 5 * * *", "2026-12-01T06:00", True),
        ("0 9 * * *", "2026-06-01T12:00", False),  # no time of the day lies before the deadline
        ("0 5 * * 1-5", "2026-05-30T12:00", False),  # a Saturday
        (None, "2026-06-01T05:00", True),
    ],
)
def test_when_a_run_is_to_be_expected(schedule: str | None, now: str, expected: bool) -> None:
    assert (late_day(pipeline(schedule), LONG_AGO, at(now)) is not None) is expected


def test_a_pipeline_that_is_new_today_is_not_late() -> None:
    assert late_day(pipeline(), at("2026-06-01T03:00"), at("2026-06-01T12:00")) is None


def test_a_run_that_is_late_is_told_once_a_day(tmp_path: Path) -> None:
    history, nightly = History.open(tmp_path), pipeline()
    for hours in range(30):
        watch(history, nightly, LONG_AGO, at("2026-06-01T00:00") + timedelta(hours=hours))
    assert told(history) == [("late", "2026-06-01T05:00:00.000000Z"), ("late", "2026-06-02T05:00:00.000000Z")]


@pytest.mark.parametrize(
    ("status", "finished", "is_late"),
    [
        ("succeeded", "2026-06-01T03:30", False),
        ("warned", "2026-06-01T03:30", False),
        ("failed", "2026-06-01T03:30", True),
        ("succeeded", "2026-06-01T05:30", True),  # after the deadline
        ("succeeded", "2026-05-31T20:00", True),  # yesterday in Berlin
        ("succeeded", "2026-05-31T22:30", False),  # today in Berlin
    ],
)
def test_a_run_that_ended_well_in_time_is_not_late(
    tmp_path: Path, status: RunStatus, finished: str, is_late: bool
) -> None:
    history, nightly = History.open(tmp_path), pipeline()
    ran(history, nightly, status, at(finished))
    watch(history, nightly, LONG_AGO, at("2026-06-01T06:00"))
    assert bool(told(history)) is is_late


def test_a_result_that_is_too_old_is_told_once_until_there_is_a_new_one(tmp_path: Path) -> None:
    history, often = History.open(tmp_path), pipeline(None, deadline=None, fresh_within=6 * 3600.0)
    ran(history, often, "succeeded", at("2026-06-01T00:00"))
    for hours in range(12):
        watch(history, often, LONG_AGO, at("2026-06-01T00:00") + timedelta(hours=hours))
    ran(history, often, "failed", at("2026-06-01T12:00"))
    watch(history, often, LONG_AGO, at("2026-06-01T12:30"))
    assert told(history) == [("stale", "2026-06-01T00:00:00.000000Z")]
    ran(history, often, "succeeded", at("2026-06-01T13:00"))
    watch(history, often, LONG_AGO, at("2026-06-01T20:00"))
    assert told(history)[1:] == [("stale", "2026-06-01T13:00:00.000000Z")]


def test_a_pipeline_that_has_never_run_is_stale_from_when_it_was_new(tmp_path: Path) -> None:
    history, often = History.open(tmp_path), pipeline(None, deadline=None, fresh_within=3600.0)
    watch(history, often, at("2026-06-01T00:00"), at("2026-06-01T00:30"))
    assert told(history) == []
    watch(history, often, at("2026-06-01T00:00"), at("2026-06-01T02:00"))
    assert told(history) == [("stale", "2026-06-01T00:00:00.000000Z")]


def test_a_run_that_ends_well_after_the_pipeline_was_late_tells_so_once(tmp_path: Path) -> None:
    history, often = History.open(tmp_path), pipeline(None, deadline=None, fresh_within=3600.0)
    watch(history, often, LONG_AGO, at("2026-06-01T00:00"))
    for minutes, status in enumerate(("failed", "succeeded", "succeeded")):
        ran(history, often, status, at("2026-06-01T01:00") + timedelta(minutes=minutes))  # type: ignore[arg-type]
    found = [change.body.get("was_late") for change in history.changes() if change.kind == "ended"]
    assert found == [None, True, None]


def test_what_a_run_was_before_tells_whether_it_has_recovered(tmp_path: Path) -> None:
    history, nightly = History.open(tmp_path), pipeline()
    for number, status in enumerate(("succeeded", "failed", "succeeded")):
        ran(history, nightly, status, at("2026-06-01T00:00") + timedelta(hours=number))  # type: ignore[arg-type]
    found = [change.body["before"] for change in history.changes()]
    assert found == ["", "succeeded", "failed"]


def test_data_is_asked_in_each_place_where_pipelines_build(tmp_path: Path) -> None:
    files = {
        "sqlflow.yml": "name: p\ntarget: dev\nsources: {raw: {files: {files: inbox/*.csv, fresh_within: 1h}}}\n"
        "targets:\n  dev: {engine: duckdb, path: dev.duckdb}\n  big: {engine: duckdb, path: big.duckdb}\n"
        "  none: {engine: duckdb, path: none.duckdb}\n",
        "inbox/a.csv": "id\n1\n",
        "blocks/a/one.sql": "/*---\nfresh_within: 1h\n---*/\nselect id from raw.files\n",
        "blocks/a/big.sql": "/*---\nfresh_within: 1h\ntarget: big\n---*/\nselect 1 as id\n",
        "pipelines/prod.yml": "select: [a.one]\n", "pipelines/trial.yml": "select: [a.one]\nenv: trial\n",
        "pipelines/away.yml": "select: [a.*]\ntarget: big\n", "pipelines/gone.yml": "select: [a.nope]\ntarget: none\n",
    }  # fmt: skip
    with served(project(tmp_path, files)) as service:
        ended(service, *(service.history.request_run(name).id for name in ("trial", "away")))
        before = service.ages().asked_at
        (tmp_path / "pipelines/late.yml").write_text("select: [a.one]\nenv: trial\n")
        until(service, lambda: any("late" in one.pipelines for one in service.ages().found))
        assert before != service.ages().asked_at
        (tmp_path / "pipelines/late.yml").unlink()
        until(service, lambda: not any("late" in one.pipelines for one in service.ages().found))
        now = datetime.now(UTC)
        found = {
            (one.name, one.target, one.environment): (one.status(now), one.pipelines) for one in service.ages().found
        }
        assert found == {
            ("a.big", "big", "prod"): ("fresh", ("away",)),
            ("a.big", "big", "trial"): ("unknown", ()),
            ("a.one", "big", "prod"): ("fresh", ("away",)),
            ("a.one", "dev", "prod"): ("unknown", ("prod",)),
            ("a.one", "dev", "trial"): ("fresh", ("trial",)),
            ("a.one", "none", "prod"): ("unknown", ()),
            ("raw.files", "big", ""): ("fresh", ("away",)),
            ("raw.files", "dev", ""): ("fresh", ("prod", "trial")),
            ("raw.files", "none", ""): ("fresh", ()),
        }
        assert {one.flags for one in service.ages().found if one.environment == "trial"} == {" --env trial"}
        for path in (tmp_path / "pipelines").iterdir():
            path.unlink()
        until(service, lambda: service.ages().found == ())


def test_a_target_that_cannot_be_opened_is_told_once_and_keeps_no_other_from_being_asked(tmp_path: Path) -> None:
    files = {
        "sqlflow.yml": "name: p\ntarget: dev\ntargets:\n  dev: {engine: duckdb, path: dev.duckdb}\n"
        "  down: {engine: postgres, url: 'postgresql://u:sesame99@127.0.0.1:1/d'}\n",
        "blocks/a/one.sql": "/*---\nfresh_within: 1h\n---*/\nselect 1 as id\n",
        "pipelines/here.yml": "select: [a.one]\n", "pipelines/there.yml": "select: [a.one]\ntarget: down\n",
        "pipelines/wrong.yml": "selct: [a.one]\n",
    }  # fmt: skip
    told: list[str] = []
    with served(project(tmp_path, files)) as service:
        service.tell = told.append
        for _ in range(2):
            service.freshness.begin()
            before = service.ages().asked_at
            until(service, lambda before=before: service.ages().asked_at not in (None, before))
        assert [(one.target, one.pipelines) for one in service.ages().found] == [("dev", ("here",))]
    (line,) = [line for line in told if "freshness" in line]
    assert line.startswith("sqlflow freshness --target down: ")
    assert "sesame99" not in line
