"""The run history, in its file and in Postgres: the same words, the same answers."""

import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from sqlflow.core.errors import StateError, TargetError, UsageError
from sqlflow.core.node import Node
from sqlflow.core.pipeline import Pipeline
from sqlflow.core.text import SourceFile
from sqlflow.service import migrations
from sqlflow.service.history import FILE, History
from sqlflow.service.leases import Membership
from sqlflow.service.migrations import FORM
from sqlflow.service.nouns import RunFilter
from sqlflow.service.queue import Limits
from sqlflow.service.states import ACTIVE, ENDED, NEXT, STATUSES


@pytest.fixture(params=["file", "postgres"])
def history(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[History]:
    url = request.getfixturevalue("postgres_url") if request.param == "postgres" else ""
    opened = History.open(tmp_path, url)
    yield opened
    opened.close()


def test_a_run_that_is_asked_for_stands_in_the_queue(history: History) -> None:
    asked = history.request_run("nightly", by="ann", vars={"country": "FR"})
    assert history.run(asked.id) == asked
    assert (asked.status, asked.cause, asked.by, asked.vars) == ("queued", "manual", "ann", {"country": "FR"})
    assert [(event.kind, event.body["by"]) for event in history.events(asked.id)] == [("run_queued", "ann")]


def test_a_queue_that_is_too_long_takes_no_more(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sqlflow.service.history.QUEUED_AT_MOST", 2)
    first, _ = (history.request_run("nightly") for _ in range(2))
    with pytest.raises(UsageError, match=f"2 runs of `nightly` are in the queue already: the first is {first.id}"):
        history.request_run("nightly")
    history.request_run("other")
    history.request_cancel(first.id)
    history.request_run("nightly")


def test_runs_are_listed_page_by_page_the_latest_first(history: History) -> None:
    asked = [history.request_run(f"p{number % 2}") for number in range(7)]
    latest_first = sorted((run.id for run in asked), reverse=True)
    first = history.runs(limit=4)
    second = history.runs(limit=4, before=first[-1].id)
    assert [run.id for run in first + second] == latest_first
    assert history.runs(limit=4, before=second[-1].id) == []


def test_runs_are_found_by_pipeline_state_cause_and_time(history: History) -> None:
    first, second = history.request_run("a"), history.request_run("b", cause="webhook")
    history.request_cancel(first.id)

    def found(wanted: RunFilter) -> list[str]:
        return [run.id for run in history.runs(wanted)]

    assert found(RunFilter(pipelines=("a",))) == [first.id]
    assert found(RunFilter(statuses=("queued", "running"))) == [second.id]
    assert found(RunFilter(causes=("webhook",))) == [second.id]
    assert found(RunFilter(since=second.requested_at + timedelta(hours=1))) == []
    assert found(RunFilter(until=first.requested_at - timedelta(hours=1))) == []
    assert found(RunFilter(pipelines=("a",), statuses=("queued",))) == []


def test_a_run_that_has_not_begun_is_cancelled_at_once_and_only_once(history: History) -> None:
    asked = history.request_run("nightly")
    gone = history.request_cancel(asked.id, by="ann")
    assert (gone.status, gone.reason, gone.has_ended) == ("cancelled", "cancelled by ann", True)
    with pytest.raises(UsageError, match="has ended: it was cancelled"):
        history.request_cancel(asked.id)


def test_a_retry_is_a_new_run_with_the_same_vars(history: History) -> None:
    asked = history.request_run("nightly", vars={"country": "FR"})
    with pytest.raises(UsageError, match="is queued"):
        history.request_retry(asked.id)
    history.request_cancel(asked.id)
    again = history.request_retry(asked.id)
    assert (again.retry_of, again.cause, again.vars, again.status) == (asked.id, "retry", {"country": "FR"}, "queued")


@pytest.mark.parametrize(
    "id", ["", "nope", "01M8H50A4F7WJAMNV57VWEZ8Z2", "' or 1 = 1 --", "../../etc/passwd", "x" * 9999]
)
def test_an_id_that_is_none_is_told(tmp_path: Path, id: str) -> None:
    with pytest.raises(UsageError, match="there is no run"):
        History.open(tmp_path).run(id)


def test_a_schedule_that_rests_remembers_who_has_paused_it(history: History) -> None:
    history.pause("nightly", by="ann")
    state = history.schedules()["nightly"]
    assert (state.is_paused, state.paused_by) == (True, "ann")
    history.resume("nightly")
    assert not history.schedules()["nightly"].is_paused


def test_many_threads_write_at_once_and_nothing_is_lost(history: History) -> None:
    with ThreadPoolExecutor(16) as threads:
        asked = list(threads.map(lambda number: history.request_run(f"p{number % 3}").id, range(64)))
    assert {run.id for run in history.runs(limit=100)} == set(asked)
    assert sum(history.counts().values()) == 64
    assert set(history.latest()) == {"p0", "p1", "p2"}


def test_a_history_opens_again_as_it_was(tmp_path: Path) -> None:
    asked = History.open(tmp_path).request_run("nightly")
    assert History.open(tmp_path).runs() == [asked]


def test_a_history_belongs_into_no_repository(tmp_path: Path) -> None:
    History.open(tmp_path)
    assert (tmp_path / FILE).with_name(".gitignore").read_text() == "*\n"


def test_a_history_of_a_newer_sqlflow_is_refused_and_left_as_it_is(history: History, tmp_path: Path) -> None:
    asked = history.request_run("nightly")
    with history.database.transaction() as transaction:
        transaction.execute("update form set form = 99")
    with pytest.raises(StateError, match="newer sqlflow"):
        migrations.migrate(history.database)
    assert history.runs() == [asked]


def test_a_file_that_is_no_history_is_told(tmp_path: Path) -> None:
    (tmp_path / FILE).parent.mkdir()
    (tmp_path / FILE).write_bytes(b"not a database " * 100)
    with pytest.raises(StateError, match="cannot be used"):
        History.open(tmp_path)


def test_a_history_that_cannot_be_reached_is_told(tmp_path: Path) -> None:
    with pytest.raises(TargetError, match="cannot be used"):
        History.open(tmp_path, "postgresql://nobody@127.0.0.1:1/none")


@pytest.mark.parametrize("place", ["file", "postgres"])
@pytest.mark.parametrize("form", range(1, FORM))
def test_a_history_of_an_older_sqlflow_is_brought_up_to_date(
    form: int, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    url = request.getfixturevalue("postgres_url") if place == "postgres" else ""
    monkeypatch.setattr(migrations, "MIGRATIONS", migrations.MIGRATIONS[:form])
    monkeypatch.setattr(migrations, "FORM", form)
    with closing(History.open(tmp_path, url)) as history:
        asked = history.request_run("nightly")
    monkeypatch.undo()
    with closing(History.open(tmp_path, url)) as history:
        assert history.runs() == [asked]
        known = {"nightly": Pipeline("nightly", Node("mapping", SourceFile("p.yml", ""), 0))}
        assert [claim.run.id for claim in Membership(history).claim(known, Limits())] == [asked.id]
    if not url:
        with sqlite3.connect(tmp_path / f"{FILE}.form-{form}") as kept:
            assert kept.execute("select form, status from form, runs").fetchall() == [(form, "queued")]


@pytest.mark.parametrize("form", range(1, FORM))
def test_a_history_that_was_brought_up_to_date_has_what_a_new_one_has(
    form: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrations, "MIGRATIONS", migrations.MIGRATIONS[:form])
    monkeypatch.setattr(migrations, "FORM", form)
    History.open(tmp_path / "old").close()
    monkeypatch.undo()
    things = []
    for folder in ("old", "new"):
        with closing(History.open(tmp_path / folder)) as history:
            things.append(history.database.rows("select name, sql from sqlite_master order by name"))
    assert things[0] == things[1]
    assert "seen" not in dict(things[1])


def test_a_migration_that_is_cut_off_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrations, "MIGRATIONS", ((*migrations.MIGRATIONS[0][:5], "create nonsense"),))
    with pytest.raises(TargetError):
        History.open(tmp_path)
    with sqlite3.connect(tmp_path / FILE) as left:
        assert left.execute("select name from sqlite_master").fetchall() == []
    monkeypatch.undo()
    assert History.open(tmp_path).runs() == []


def test_what_has_ended_never_changes() -> None:
    assert set(ENDED) == {"succeeded", "warned", "failed", "cancelled", "lost"}
    assert set(STATUSES) == {*ACTIVE, *ENDED}
    assert all(NEXT[status] <= set(STATUSES) for status in STATUSES)


@pytest.mark.parametrize("then", [lambda file: None, lambda file: file.write_bytes(b"")], ids=["gone", "replaced"])
def test_a_file_that_was_taken_away_is_told_and_nothing_is_written_into_it(
    tmp_path: Path, then: Callable[[Path], None]
) -> None:
    history = History.open(tmp_path)
    with (tmp_path / FILE).open() as kept:  # its place on the disk is given to no other file meanwhile
        (tmp_path / FILE).unlink()
        then(tmp_path / FILE)
        with pytest.raises(TargetError, match="its file was removed, or replaced by another one, while it was open"):
            history.request_run("nightly")
    assert kept.closed
    history.close()
