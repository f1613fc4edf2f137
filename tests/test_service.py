"""The service: real processes, real files, a real history."""

from collections import Counter
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest
from serving import ENDLESS, ended, gated, killed, process, processes_of, project, served, until, waited

from sqlflow.core.errors import UsageError
from sqlflow.read.pipelines import read_pipelines
from sqlflow.service import fits, leases, values
from sqlflow.service.history import History
from sqlflow.service.nouns import RunFilter
from sqlflow.service.queue import Limits
from sqlflow.service.service import Service
from sqlflow.service.ticks import AskedRun

ALL = {"pipelines/all.yml": "description: everything\n"}
BAD = "/*---\nassert:\n  - id > 1\n---*/\nselect * from one\n"


def shown(folder: Path, query: str) -> list[tuple[object, ...]]:
    with duckdb.connect(str(folder / "warehouse.duckdb"), read_only=True) as warehouse:
        return warehouse.execute(query).fetchall()


def test_a_run_is_a_process_whose_events_are_in_the_history(tmp_path: Path) -> None:
    text, gate = gated(tmp_path)
    gate.touch()
    with served(project(tmp_path, {**ALL, "blocks/a/gated.py": text})) as service:
        (run,) = ended(service, service.history.request_run("all").id)
        history = service.history
        assert (run.status, run.attempt, run.reason) == ("succeeded", 1, "")
        assert {(block.block, block.status) for block in history.blocks(run.id)} == {
            ("a.one", "built"), ("a.two", "built"), ("a.gated", "built"),
        }  # fmt: skip
        assert [(line.block, line.line) for line in history.logs(run.id)] == [("a.gated", "the gate is open")]
        (attempt,) = history.attempts(run.id)
        assert (attempt.status, attempt.exit_code, attempt.build) == ("succeeded", 0, run.build)
        kinds = [event.kind for event in history.events(run.id)]
        assert kinds[:3] == ["run_queued", "run_running", "run_started"]
        assert kinds[-2:] == ["run_finished", "run_succeeded"]
        assert [(change.kind, change.body) for change in history.changes()] == [
            ("ended", {"status": "succeeded", "before": ""})
        ]
    assert shown(tmp_path, "select id from a.two") == [(2,)]


def test_what_breaks_an_assertion_is_kept_and_a_retry_builds_what_has_failed(tmp_path: Path) -> None:
    with served(project(tmp_path, {**ALL, "blocks/a/two.sql": BAD})) as service:
        (run,) = ended(service, service.history.request_run("all", vars={}).id)
        assert (run.status, run.reason) == ("failed", "a.two: 1 row breaks id > 1")
        (assertion,) = service.history.assertions(run.id)
        assert (assertion.status, assertion.failing, assertion.columns, assertion.sample) == (
            "failed",
            1,
            ("id",),
            ((1,),),
        )
        (tmp_path / "blocks/a/two.sql").write_text(BAD.replace("select *", "select id + 1 as id"))
        (again,) = ended(service, service.history.request_retry(run.id).id)
        assert again.status == "succeeded"
        assert {(block.block, block.status) for block in service.history.blocks(again.id)} == {
            ("a.one", "reused"), ("a.two", "built"),
        }  # fmt: skip


def test_a_project_that_is_wrong_is_not_tried_again(tmp_path: Path) -> None:
    files = {
        "pipelines/all.yml": "retries: {count: 3, delay: 0.1s}\n",
        "blocks/a/two.sql": "/*---\nnope: 1\n---*/\nselect 1\n",
    }
    with served(project(tmp_path, files)) as service:
        (run,) = ended(service, service.history.request_run("all").id)
        assert (run.status, run.attempt) == ("failed", 1)
        assert run.reason.startswith("blocks/a/two.sql:2:1")
        assert any("nope" in line.line for line in service.history.logs(run.id))


def test_what_fails_is_tried_again_as_often_as_the_pipeline_says(tmp_path: Path) -> None:
    files = {"pipelines/all.yml": "retries: {count: 2, delay: 0.1s}\n", "blocks/a/two.sql": BAD}
    with served(project(tmp_path, files)) as service:
        (run,) = ended(service, service.history.request_run("all").id)
        assert (run.status, run.attempt) == ("failed", 3)
        assert [attempt.status for attempt in service.history.attempts(run.id)] == ["failed"] * 3
        kinds = Counter(event.kind for event in service.history.events(run.id))
        assert (kinds["attempt_failed"], kinds["run_waiting"], kinds["run_running"], kinds["run_failed"]) == (
            2,
            2,
            3,
            1,
        )


def test_a_run_that_is_cancelled_stops_and_publishes_nothing(tmp_path: Path) -> None:
    with served(project(tmp_path, {**ALL, "blocks/a/two.sql": ENDLESS})) as service:
        run = service.history.request_run("all")
        until(service, lambda: any(one.block == "a.two" for one in service.history.blocks(run.id)))
        service.history.request_cancel(run.id, by="ann")
        (run,) = ended(service, run.id)
        assert (run.status, run.reason, run.cancel_by) == ("cancelled", "cancelled by ann", "ann")
        assert {block.block: block.status for block in service.history.blocks(run.id)}["a.two"] == "cancelled"
        assert processes_of(tmp_path) == []
    assert shown(tmp_path, "select * from duckdb_views() where schema_name = 'a'") == []


def test_a_run_that_takes_too_long_is_stopped(tmp_path: Path) -> None:
    files = {"pipelines/all.yml": "timeout: 1s\n", "blocks/a/two.sql": ENDLESS}
    with served(project(tmp_path, files)) as service:
        (run,) = ended(service, service.history.request_run("all").id)
        assert run.status == "failed"
        assert processes_of(tmp_path) == []


def test_a_run_whose_process_is_killed_is_lost_and_tried_again(tmp_path: Path) -> None:
    text, gate = gated(tmp_path)
    files = {"pipelines/all.yml": "retries: {count: 1, delay: 0.1s}\n", "blocks/a/gated.py": text}
    with served(project(tmp_path, files)) as service:
        run = service.history.request_run("all")
        until(service, lambda: any(one.block == "a.gated" for one in service.history.blocks(run.id)))
        killed(service.runner.running[run.id].pid)
        until(service, lambda: service.history.attempts(run.id)[0].status == "lost")
        gate.touch()
        (run,) = ended(service, run.id)
        assert (run.status, run.attempt) == ("succeeded", 2)
        assert service.history.attempts(run.id)[0].reason == "its process was killed by SIGKILL"


def test_a_run_that_is_lost_for_good_says_so(tmp_path: Path) -> None:
    text, _ = gated(tmp_path)
    with served(project(tmp_path, {**ALL, "blocks/a/gated.py": text})) as service:
        run = service.history.request_run("all")
        until(service, lambda: any(one.block == "a.gated" for one in service.history.blocks(run.id)))
        killed(service.runner.running[run.id].pid)
        (run,) = ended(service, run.id)
        assert (run.status, run.reason) == ("lost", "its process was killed by SIGKILL")


def test_runs_of_a_service_that_is_killed_die_with_it_and_go_on_with_the_next(tmp_path: Path) -> None:
    text, gate = gated(tmp_path)
    history = History.open(project(tmp_path, {**ALL, "blocks/a/gated.py": text}))
    run = history.request_run("all")
    first = process(tmp_path)
    waited(lambda: any(one.block == "a.gated" for one in history.blocks(run.id)))
    first.kill()
    first.communicate()
    waited(lambda: not processes_of(tmp_path))
    gate.touch()
    with served(tmp_path) as service:
        (run,) = ended(service, run.id)
        assert (run.status, run.attempt) == ("succeeded", 2)
        assert service.history.attempts(run.id)[0].reason == "the service that ran it has ended"


def test_a_service_that_is_stopped_hands_its_runs_to_the_next(tmp_path: Path) -> None:
    text, gate = gated(tmp_path)
    history = History.open(project(tmp_path, {**ALL, "blocks/a/gated.py": text}))
    run = history.request_run("all")
    first = process(tmp_path)
    waited(lambda: any(one.block == "a.gated" for one in history.blocks(run.id)))
    assert history.is_served()
    first.terminate()
    out, _ = first.communicate()
    assert first.returncode == 0
    assert "go on with the next service: 1" in out
    assert not history.is_served()
    assert history.run(run.id).status == "waiting"
    gate.touch()
    with served(tmp_path) as service:
        assert ended(service, run.id)[0].status == "succeeded"


def test_a_run_that_brings_its_service_down_each_time_is_given_up(tmp_path: Path) -> None:
    folder = project(tmp_path, ALL)
    history, pipelines = History.open(folder), read_pipelines(folder)
    run = history.request_run("all")
    statuses = []
    for _ in range(leases.INTERRUPTIONS_AT_MOST + 1):
        brought_down, next_one = leases.Membership(history), leases.Membership(history)
        brought_down.join()
        assert len(brought_down.claim(pipelines, Limits())) == 1
        next_one.take_over(brought_down.id, pipelines)
        statuses.append(history.run(run.id).status)
    assert statuses == ["waiting"] * leases.INTERRUPTIONS_AT_MOST + ["lost"]


def test_a_service_elsewhere_that_is_silent_is_taken_over_and_finds_that_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "DEAD_SECONDS", 0.0)
    with served(project(tmp_path, ALL)) as service:
        run = service.history.request_run("all")
        other = leases.Membership(service.history)
        other.join()
        with service.history.database.transaction() as transaction:
            transaction.execute("update services set process = 'elsewhere:1' where id = ?", other.id)
        other.claim(service.pipelines(), service._loaded.limits)
        assert service.history.run(run.id).status == "running"
        assert (service.member.dead(), other.beat()) == ([other.id], True)
        service.member.take_over(other.id, service.pipelines())
        assert not other.beat()
        (run,) = ended(service, run.id)
        assert (run.status, run.attempt) == ("succeeded", 2)


def test_what_keeps_a_pipeline_from_being_built_is_told_when_its_file_is_loaded_until_it_is_put_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fits, "AGAIN_SECONDS", 0.2)
    heavy = "/*---\npool: heavy\nweight: {weight}\n---*/\nselect 1 as id\n"
    files = {
        "sqlflow.yml": "name: p\npools: {heavy: 4}\n", "blocks/a/three.sql": heavy.format(weight=3),
        "pipelines/small.yml": "select: [a.three]\npools: {heavy: 2}\n",
        "pipelines/none.yml": "select: [a.four]\n", "pipelines/good.yml": "select: [a.three]\n",
        "pipelines/elsewhere.yml": "target: nowhere\n",
    }  # fmt: skip
    told: list[str] = []
    with served(project(tmp_path, files)) as service:
        service.tell = told.append
        until(service, lambda: len(service.faults()) == 3)
        assert sorted(str(fault).split("\n")[0] for fault in service.faults()) == [
            "pipelines/elsewhere.yml:1:9: there is no target `nowhere`",
            "pipelines/none.yml:1:10: no such block: `a.four`",
            "pipelines/small.yml:2:16: `pools.heavy: 2` is less than the weight of `a.three`: 3",
        ]
        assert sum("runs fail until this is put right" in line for line in told) == 3
        (tmp_path / "blocks/a/three.sql").write_text(heavy.format(weight=2))
        (tmp_path / "blocks/a/four.sql").write_text("select 1 as id\n")
        until(service, lambda: len(service.faults()) == 1)
        (tmp_path / "pipelines/elsewhere.yml").unlink()
        until(service, lambda: not service.faults())
        assert len(told) == len(set(told))


def test_files_that_are_saved_are_loaded_at_once_and_a_broken_one_stays_as_it_was(tmp_path: Path) -> None:
    with served(project(tmp_path, {"pipelines/p.yml": "every: 10 minutes\n"})) as service:
        file = tmp_path / "pipelines/p.yml"
        file.write_text("every: 10 minuets\n")
        until(service, lambda: bool(service.faults()))
        assert str(service.faults()[0]).startswith("pipelines/p.yml:1:8")
        assert service.pipelines()["p"].every == 600
        file.write_text("every: 20 minutes\n")
        until(service, lambda: service.pipelines()["p"].every == 1200)
        assert service.faults() == ()
        file.with_name("q.yml").write_text("")
        until(service, lambda: set(service.pipelines()) == {"p", "q"})
        file.unlink()
        until(service, lambda: set(service.pipelines()) == {"q"})
        (run,) = ended(service, service.history.request_run("p").id)
        assert (run.status, run.reason) == ("failed", "there is no pipeline `p`")


def test_a_pipeline_runs_after_others_have_ended_well(tmp_path: Path) -> None:
    files = {
        "pipelines/ingest.yml": "select: [one]\n",
        "pipelines/other.yml": "select: [one]\n",
        "pipelines/after.yml": "triggers:\n  - after: [ingest, other]\n",
    }
    with served(project(tmp_path, files)) as service:
        history = service.history
        ended(service, history.request_run("ingest").id)
        assert history.ticks("after") == []
        ended(service, history.request_run("other").id)
        until(service, lambda: bool(history.ticks("after")))
        (tick,) = history.ticks("after")
        assert (tick.outcome, tick.cause) == ("fired", "after")
        (run,) = ended(service, tick.run)
        assert run.status == "succeeded"
        ended(service, history.request_run("other").id)
        assert len(history.ticks("after")) == 1


def test_files_start_a_pipeline_once_they_lie_still(tmp_path: Path) -> None:
    files = {
        "inbox/old.csv": "a\n",
        "pipelines/load.yml": 'triggers:\n  - files: {path: "inbox/*.csv", settle: 0.2s}\n',
    }
    with served(project(tmp_path, files)) as service:
        history = service.history
        (tmp_path / "inbox/new.csv").write_text("a\n1\n")
        (tmp_path / "inbox/new.txt").write_text("a\n1\n")
        until(service, lambda: bool(history.ticks("load")))
        (tick,) = history.ticks("load")
        assert (tick.outcome, tick.reason) == ("fired", "inbox/new.csv")
        ended(service, tick.run)
        (tmp_path / "inbox/old.csv").unlink()
        (tmp_path / "inbox/new.csv").write_text("a\n1\n2\n")
        until(service, lambda: len(history.ticks("load")) == 2)


def test_files_that_came_while_no_service_was_there_are_seen(tmp_path: Path) -> None:
    files = {"pipelines/load.yml": 'triggers:\n  - files: {path: "inbox/*.csv", settle: 0.1s}\n'}
    with served(project(tmp_path, files)):
        pass
    (tmp_path / "inbox").mkdir()
    (tmp_path / "inbox/new.csv").write_text("a\n")
    with served(tmp_path) as service:
        until(service, lambda: bool(service.history.ticks("load")))


def test_a_query_starts_a_pipeline_when_its_rows_are_others(tmp_path: Path) -> None:
    files = {**ALL, "pipelines/watch.yml": 'triggers:\n  - query: {sql: "select count(*) from watched", every: 0.2s}\n'}
    with served(project(tmp_path, files)) as service:
        history = service.history
        until(service, lambda: bool(history.ticks("watch")))
        (tick,) = history.ticks("watch")
        assert (tick.outcome, "warehouse.duckdb" in tick.reason) == ("error", True)
        with duckdb.connect(str(tmp_path / "warehouse.duckdb")) as warehouse:
            warehouse.execute("create table watched as select 1 as id")
        rows = "select 1 from trigger_states where pipeline = 'watch' and item = 'rows'"
        until(service, lambda: bool(history.database.rows(rows)))

        def insert() -> bool:
            try:
                with duckdb.connect(str(tmp_path / "warehouse.duckdb")) as warehouse:
                    warehouse.execute("insert into watched values (2)")
            except duckdb.IOException:  # it is asked in this moment
                return False
            return True

        waited(insert)
        until(service, lambda: any(tick.outcome == "fired" for tick in history.ticks("watch")))


def test_a_trigger_from_outside_fires_once_by_its_key(tmp_path: Path) -> None:
    with served(project(tmp_path, ALL)) as service:
        asked = AskedRun("webhook", "hook:1", values.now(), vars={"country": "FR"}, by="hook")
        tick = service.triggered("all", asked)
        assert tick is not None
        assert service.triggered("all", asked) is None
        assert service.history.run(tick.run).vars == {"country": "FR"}
        with pytest.raises(UsageError, match="no pipeline"):
            service.triggered("nope", asked)


def test_two_services_of_one_history_run_each_tick_once(tmp_path: Path) -> None:
    history = History.open(project(tmp_path, {"pipelines/often.yml": "every: 1s\noverlap: skip\nselect: [one]\n"}))
    both = [process(tmp_path), process(tmp_path)]
    waited(lambda: len(history.runs(RunFilter(statuses=("succeeded",)), limit=100)) >= 4)
    for one in both:
        one.terminate()
    assert [one.communicate() and one.returncode for one in both] == [0, 0]
    ticks = history.ticks("often", limit=1000)
    assert len({tick.due_at for tick in ticks}) == len(ticks)
    runs = history.runs(limit=1000)
    assert len({run.key for run in runs}) == len(runs)
    assert Counter(tick.outcome for tick in ticks)["fired"] == len(runs)
    assert all(len(history.attempts(run.id)) == run.attempt for run in runs)


def test_a_history_that_cannot_be_reached_for_a_while_loses_no_run(tmp_path: Path) -> None:
    text, gate = gated(tmp_path)
    with served(project(tmp_path, {**ALL, "blocks/a/gated.py": text})) as service:
        run = service.history.request_run("all")
        until(service, lambda: any(one.block == "a.gated" for one in service.history.blocks(run.id)))
        check = service.history.database.check

        def refused() -> None:
            raise OSError("no such disk")

        service.history.database.check = refused  # also the connections that other threads have now
        gate.touch()
        told: list[str] = []
        service.tell = told.append
        waited(lambda: not processes_of(tmp_path))
        service.guarded_round()
        service.guarded_round()
        assert len(told) == 1
        service.history.database.check = check
        assert ended(service, run.id)[0].status == "succeeded"


def test_what_is_old_is_forgotten_but_the_latest_good_run_is_not(tmp_path: Path) -> None:
    from sqlflow.service.trimming import trim

    with served(project(tmp_path, ALL)) as service:
        history = service.history
        good, latest = ended(service, history.request_run("all").id, history.request_run("all").id)
        gone = history.request_run("all")
        history.request_cancel(gone.id)
        later = values.now() + timedelta(days=100)
        assert trim(history, 90 * 86400.0, later, batch=1) == 1
        assert trim(history, 90 * 86400.0, later) == 1
        assert [run.id for run in history.runs()] == [latest.id]
        assert history.events(good.id) == []
        assert history.blocks(latest.id) != []
        assert history.changes() == []


def test_a_service_says_what_it_does(tmp_path: Path) -> None:
    told: list[str] = []
    service = Service(
        project(tmp_path, {"pipelines/p.yml": "schedule: nonsense\n"}), History.open(tmp_path), told.append
    )
    service.member.join()
    service.round()
    service.watches.close()
    assert told[0].startswith("pipelines/p.yml:1:11: `schedule` needs five fields")


def test_who_stops_a_service_twice_waits_for_no_run(tmp_path: Path) -> None:
    text = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + gated(tmp_path)[0]
    history = History.open(project(tmp_path, {**ALL, "blocks/a/gated.py": text}))
    run = history.request_run("all")
    first = process(tmp_path)
    waited(lambda: any(one.block == "a.gated" for one in history.blocks(run.id)))
    first.terminate()
    first.terminate()
    first.communicate()
    assert first.returncode == 0
    assert history.run(run.id).status == "waiting"
    assert processes_of(tmp_path) == []


def test_a_run_waits_for_another_one_in_its_target_and_says_for_whom(tmp_path: Path) -> None:
    text, gate = gated(tmp_path)
    files = {"pipelines/first.yml": "select: [gated]\n", "pipelines/second.yml": "select: [one]\n"}
    with served(project(tmp_path, {**files, "blocks/a/gated.py": text})) as service:
        history = service.history
        first = history.request_run("first")
        until(service, lambda: any(one.block == "a.gated" for one in history.blocks(first.id)))
        second = history.request_run("second")
        until(service, lambda: "held by" in history.run(second.id).reason)
        assert history.run(second.id).status == "running"
        gate.touch()
        assert [(run.status, run.reason) for run in ended(service, first.id, second.id)] == [("succeeded", "")] * 2
