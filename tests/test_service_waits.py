"""What the service looks for in files and targets: real files, real queries, a real clock that is turned."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from serving import ended, project, served, until
from support import write

from sqlflow.app import Project
from sqlflow.service.ticks import AskedRun


def test_a_run_that_waits_takes_no_process_and_no_place(tmp_path: Path) -> None:
    files = {
        "sqlflow.yml": "name: p\nservice: {runs: 1}\n",
        "pipelines/late.yml": "wait_for: [{file: inbox/done.txt, every: 0.1s}]\n",
        "pipelines/other.yml": "description: nothing\n",
    }
    with served(project(tmp_path, files)) as service:
        late = service.history.request_run("late").id
        other = service.history.request_run("other").id
        (done,) = ended(service, other)
        run = service.history.run(late)
        assert (done.status, run.status, run.reason) == ("succeeded", "waiting", "waits for the file `inbox/done.txt`")
        assert service.history.attempts(late) == []
        write(tmp_path, {"inbox/done.txt": ""})
        (run,) = ended(service, late)
    assert (run.status, run.attempt) == ("succeeded", 1)


def test_a_run_waits_for_one_thing_after_the_other(tmp_path: Path) -> None:
    waits = "[{time: '00:00'}, {query: select count(*) > 1 from a.one, every: 0.1s}, {file: x.txt, every: 0.1s}]"
    with served(project(tmp_path, {"pipelines/late.yml": f"wait_for: {waits}\n"})) as service:
        run = service.history.request_run("late").id
        until(service, lambda: service.history.run(run).reason == "waits for a query")
        write(tmp_path, {"blocks/a/one.sql": "select unnest([1, 2]) as id\n"})
        assert Project.load(tmp_path).build().ok
        until(service, lambda: service.history.run(run).reason == "waits for the file `x.txt`")
        write(tmp_path, {"x.txt": ""})
        assert [one.status for one in ended(service, run)] == ["succeeded"]


def test_a_run_that_waits_in_vain_fails_and_is_tried_again(tmp_path: Path) -> None:
    text = "wait_for: [{file: x.txt, timeout: 0.2s}]\nretries: {count: 1, delay: 0.1s}\n"
    with served(project(tmp_path, {"pipelines/late.yml": text})) as service:
        (run,) = ended(service, service.history.request_run("late").id)
        events = [event.kind for event in service.history.events(run.id)]
    assert (run.status, run.reason) == ("failed", "timeout: waited for the file `x.txt` longer than 0.2s")
    assert (events.count("wait_failed"), run.attempt) == (1, 0)


def test_a_query_that_is_wrong_fails_the_run_that_waits_for_it(tmp_path: Path) -> None:
    text = "wait_for: [{query: select count(*) > 0 from nowhere.at_all}]\n"
    with served(project(tmp_path, {"pipelines/late.yml": text})) as service:
        assert Project.load(tmp_path).build().ok
        (run,) = ended(service, service.history.request_run("late").id)
    assert run.status == "failed"
    assert run.reason.startswith("pipelines/late.yml:1:12: `wait_for`: ")


def test_a_run_that_waits_is_cancelled_or_goes_on_with_the_next_service(tmp_path: Path) -> None:
    text = "wait_for: [{file: x.txt, every: 0.1s, timeout: 1h}]\n"
    project(tmp_path, {"pipelines/late.yml": text})
    with served(tmp_path) as service:
        tick = service.triggered("late", AskedRun("webhook", "one", service.clock()))
        assert tick is not None
        assert (tick.outcome, tick.reason) == ("fired", "the run waits for the file `x.txt`")
        until(service, lambda: service.history.run(tick.run).status == "waiting")
        service.history.request_cancel(tick.run, by="ann")
        service.round()
        assert service.history.run(tick.run).status == "cancelled"
        left = service.history.request_run("late").id
        until(service, lambda: service.history.run(left).status == "waiting")
    with served(tmp_path) as service:
        assert service.history.run(left).status == "waiting"
        write(tmp_path, {"x.txt": ""})
        assert [run.status for run in ended(service, left)] == ["succeeded"]


def test_the_time_of_a_run_that_waits_goes_on_with_the_next_service(tmp_path: Path) -> None:
    text = "wait_for: [{file: x.txt, timeout: 1h}]\n"
    project(tmp_path, {"pipelines/late.yml": text})
    with served(tmp_path) as service:
        run = service.history.request_run("late").id
        service.round()
    with served(tmp_path) as service:
        service.clock = lambda: datetime.now(UTC) + timedelta(minutes=61)
        (found,) = ended(service, run)
    assert found.reason == "timeout: waited for the file `x.txt` longer than 1h"


def test_the_service_asks_how_old_data_is_and_tells_of_it(tmp_path: Path) -> None:
    files = {
        "sqlflow.yml": "name: p\nnotifications: {ops: 'json://127.0.0.1:1/'}\n"
        "sources: {raw: {files: {files: 'in/*.csv', fresh_within: 1h}}}\n",
        "blocks/a/three.sql": "select * from raw.files\n",
        "in/x.csv": "id\n1\n",
        "pipelines/all.yml": "on_late: [ops]\n",
    }
    project(tmp_path, files)
    os.utime(tmp_path / "in/x.csv", (0, 0))
    with served(tmp_path) as service:
        until(service, lambda: bool(service.history.changes()))
        (change,) = service.history.changes()
    assert (change.kind, change.body["name"], change.body["pipelines"]) == ("data_stale", "raw.files", ["all"])
    assert change.body["newest"] == "1970-01-01 00:00:00+00:00"


def test_a_run_that_two_services_wait_for_begins_once(tmp_path: Path) -> None:
    project(tmp_path, {"pipelines/late.yml": "wait_for: [{file: x.txt, every: 0.1s}]\n"})
    with served(tmp_path) as one, served(tmp_path) as other:
        run = one.history.request_run("late").id
        one.round()
        other.round()
        assert one.history.run(run).reason == other.waits.held(other.pipelines()["late"], run)
        write(tmp_path, {"x.txt": ""})

        def has_ended() -> bool:
            other.round()
            return one.history.run(run).has_ended

        until(one, has_ended)
        assert [attempt.number for attempt in one.history.attempts(run)] == [1]
        assert one.history.run(run).status == "succeeded"
