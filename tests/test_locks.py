"""Two builds of one target: one waits or is told who is there, and none that was overtaken can publish."""

import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import crash
import duckdb
import pytest
from support import times, write

from sqlflow import Project
from sqlflow.core import events
from sqlflow.core.errors import BusyError, TargetError
from sqlflow.run import lease
from sqlflow.run.waiting import waited
from sqlflow_duckdb import connection

FILES = {
    "sqlflow.yml": "name: p\nvars: {edition: 0}\n",
    "blocks/quick.sql": "select {{ var('edition') }} as edition",
    "blocks/slow.sql": "select count(*) as n from range(10000000) a, range(10000000) b",
}
SQLFLOW = (sys.executable, "-m", "sqlflow")
HOLD = "import duckdb, sys; c = duckdb.connect('warehouse.duckdb', read_only={}); print('open', flush=True); sys.stdin.read()"


def build(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    command = (*SQLFLOW, "build", "quick", *words)
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@contextmanager
def started(folder: Path, *words: str) -> Iterator["subprocess.Popen[str]"]:
    """Yield a build that prints its events."""
    command = (*SQLFLOW, "build", *words, "--output", "jsonl")
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def holding(folder: Path) -> Iterator["subprocess.Popen[str]"]:
    """Yield a build that is in the middle of a query without end."""
    with started(folder, "slow") as process:
        heard(process, "block_started")
        yield process


def heard(process: "subprocess.Popen[str]", name: str) -> dict[str, Any]:
    """Read a build's events up to one of that name, and return it."""
    assert process.stdout is not None
    for line in process.stdout:
        event: dict[str, Any] = json.loads(line)
        if event["event"] == name:
            return event
    raise AssertionError(f"the build has ended without {name}")


@contextmanager
def program(folder: Path, read_only: bool) -> Iterator["subprocess.Popen[str]"]:
    """Yield a program that is not sqlflow and has the file open."""
    command = (sys.executable, "-c", HOLD.format(read_only))
    with subprocess.Popen(command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        yield process
        process.kill()


def test_the_second_build_waits_tells_once_for_whom_and_goes_on_when_the_first_has_ended(tmp_path: Path) -> None:
    write(tmp_path, FILES)
    with holding(tmp_path) as first, started(tmp_path, "quick") as second:
        waiting = heard(second, "waiting")
        assert f"is held by another build: `sqlflow build` (pid {first.pid}), running since 20" in waiting["message"]
        assert waiting["seconds"] == 600
        first.terminate()
        assert first.wait() == 143
        rest = [json.loads(line)["event"] for line in second.stdout or ()]
    assert rest == ["run_started", "block_started", "block_built", "published", "run_finished"]
    assert second.returncode == 0


def test_who_must_not_wait_is_told_the_holder_and_what_to_do(tmp_path: Path) -> None:
    write(tmp_path, FILES)
    with holding(tmp_path) as first:
        done = build(tmp_path, "--lock-timeout", "0")
    assert done.returncode == 3
    assert done.stderr.startswith("error: `warehouse.duckdb` is held by another build: `sqlflow build` (pid ")
    assert f"or end it with `kill {first.pid}`" in done.stderr


def test_waiting_ends_in_time_and_says_how_long_it_was(tmp_path: Path) -> None:
    write(tmp_path, FILES)
    with holding(tmp_path):
        done = build(tmp_path, "--lock-timeout", "0.2s")
    assert (done.returncode, "; waited 0.2 s for it" in done.stderr) == (3, True), done.stderr
    assert done.stdout.count("waiting for the target") == 1


def test_who_waits_is_told_for_whom_although_it_took_longer_to_find_out_than_to_wait() -> None:
    told: list[events.Event] = []

    def attempt() -> None:
        end = time.monotonic() + 0.02
        while time.monotonic() < end:
            pass
        raise BusyError("somebody has it")

    with pytest.raises(BusyError, match=r"somebody has it; waited 0\.01 s for it"):
        waited(attempt, 0.01, told.append)
    assert told == [events.Waiting("somebody has it", 0.01)]


def test_the_signal_that_ends_waiting_is_obeyed_at_once(tmp_path: Path) -> None:
    write(tmp_path, FILES)
    for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
        with holding(tmp_path), started(tmp_path, "quick") as second:
            heard(second, "waiting")
            second.send_signal(number)
            assert second.wait() == code


def test_the_place_of_a_killed_build_is_taken_over_and_the_killed_run_is_named(tmp_path: Path) -> None:
    write(tmp_path, FILES)
    with holding(tmp_path) as first, started(tmp_path, "quick") as second:
        heard(second, "waiting")
        first.kill()
        warned = heard(second, "warned")["message"]
        assert second.wait() == 0
    assert f"(pid {first.pid} on " in warned
    assert warned.endswith("was interrupted")


def test_a_build_that_is_stopped_is_told_with_the_way_to_wake_it(tmp_path: Path) -> None:
    write(tmp_path, FILES)
    with holding(tmp_path) as first:
        first.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, first.pid, os.WSTOPPED | os.WNOWAIT)
        done = build(tmp_path, "--lock-timeout", "0")
    assert (done.returncode, f"`kill -CONT {first.pid}`" in done.stderr) == (3, True)


@pytest.mark.parametrize(
    ("read_only", "words"), [(False, "is held by another program: `python"), (True, "is open for reading in `python")]
)
def test_another_program_that_has_the_file_is_named(tmp_path: Path, read_only: bool, words: str) -> None:
    write(tmp_path, FILES)
    assert build(tmp_path).returncode == 0
    with program(tmp_path, read_only) as other:
        done = build(tmp_path, "--lock-timeout", "0")
    assert (done.returncode, words in done.stderr, f"(pid {other.pid})" in done.stderr) == (3, True, True)


def test_every_reader_of_the_file_is_named(tmp_path: Path) -> None:
    write(tmp_path, FILES)
    assert build(tmp_path).returncode == 0
    with program(tmp_path, True) as one, program(tmp_path, True) as two:
        done = build(tmp_path, "--lock-timeout", "0")
    assert all(f"(pid {reader.pid})" in done.stderr for reader in (one, two))


def test_secrets_in_the_words_of_another_process_are_not_shown(tmp_path: Path) -> None:
    write(tmp_path, FILES)
    with started(tmp_path, "slow", "--vars", "password=canary"):
        done = build(tmp_path, "--lock-timeout", "60ms")
        assert "canary" not in done.stderr


def overtake(project: Project, run: str) -> None:
    """Let another run take the lease, as it would after the heart of its holder has stood still."""
    connection = project.loaded.target.engine.open(project.loaded.target.settings, project.loaded.root)
    session = connection.session()
    session.execute(f"update _sqlflow.sqlflow_leases set run = '{run}', pid = 7, sequence = sequence + 1")
    connection.close()


def test_a_run_that_was_overtaken_cannot_publish(tmp_path: Path) -> None:
    write(tmp_path, FILES)
    assert Project.load(tmp_path).build(["quick"]).ok
    project = Project.load(tmp_path, vars={"edition": 1})

    def look(event: events.Event) -> None:
        if isinstance(event, events.BlockBuilt):
            overtake(project, "another")

    report = project.build(["quick"], listener=look)
    assert (report.status, report.exit_code, report.published) == ("failed", 3, ())
    assert "overtaken by run another (pid 7 " in report.problems[0].message
    with duckdb.connect(str(tmp_path / "warehouse.duckdb")) as warehouse:
        assert warehouse.execute("select edition from quick").fetchall() == [(0,)]


def test_two_builds_in_one_process_take_turns(tmp_path: Path) -> None:
    write(tmp_path, FILES)
    said: list[str] = []
    threads: list[threading.Thread] = []

    def second() -> None:
        Project.load(tmp_path, vars={"edition": 2}).build(
            ["quick"], listener=lambda event: said.append(f"second: {event}")
        )

    def look(event: events.Event) -> None:
        said.append(f"first: {event}")
        if isinstance(event, events.RunStarted):
            threads.append(threading.Thread(target=second))
            threads[0].start()
            while not said[-1].startswith("second: Waiting"):
                threads[0].join(0.01)

    assert Project.load(tmp_path, vars={"edition": 1}).build(["quick"], listener=look).ok
    threads[0].join()
    turns = [line.partition(":")[0] for line in said if "Waiting" not in line]
    assert turns == sorted(turns)
    assert sum("another build: run 20" in line for line in said) == 1


def test_a_holder_of_which_nothing_is_known_is_taken_over_when_its_heart_stands_still(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, FILES)
    project = Project.load(tmp_path)
    assert project.build(["quick"]).ok
    connection = project.loaded.target.engine.open(project.loaded.target.settings, tmp_path)
    session = connection.session()
    session.execute(f"update _sqlflow.sqlflow_leases set run = 'lost', pid = {os.getpid()}")
    connection.close()
    with pytest.raises(BusyError, match="run lost"):
        project.build(["quick"], lock_timeout=0)
    monkeypatch.setattr(lease, "DEAD_SECONDS", 0.0)
    heard: list[events.Event] = []
    assert project.build(["quick"], listener=heard.append).ok
    assert any(isinstance(event, events.Warned) and event.message.startswith("run lost ") for event in heard)


AT_ONCE = [(20, 1), (2, times(10, 100)), (8, times(1, 25))]
"""How many builds are started at once, and how many times: they follow one after the other in one target."""


@pytest.mark.parametrize(("builds", "rounds"), AT_ONCE)
def test_builds_started_at_once_run_one_after_the_other_and_none_is_lost(
    builds: int, rounds: int, tmp_path: Path
) -> None:
    write(tmp_path, FILES)
    for number in range(rounds):
        with ExitStack() as stack:
            editions = range(number * builds + 1, (number + 1) * builds + 1)
            words = ("build", "quick", "--quiet", "--lock-timeout", "5m", "--vars")
            started = [stack.enter_context(crash.command(tmp_path, *words, f"edition={n}")) for n in editions]
            for process, _ in started:
                process.join()
            assert [process.exitcode for process, _ in started] == [0] * builds
    with duckdb.connect(str(tmp_path / "warehouse.duckdb")) as warehouse:
        runs = warehouse.execute(
            "select sequence, strptime(run[:18], '%Y%m%dT%H%M%S%g'), published_at from _sqlflow.sqlflow_runs order by 1"
        ).fetchall()
        versions = warehouse.execute("select count(distinct relation) from _sqlflow.sqlflow_versions").fetchall()
    assert [sequence for sequence, *_ in runs] == list(range(1, builds * rounds + 1))
    assert all(before[2] < after[1] for before, after in itertools.pairwise(runs))
    assert versions == [(builds * rounds,)]


def test_a_file_that_another_process_has_just_made_is_opened_when_its_first_bytes_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two builds may find no file: what one of them has made is empty for a moment, and no database yet."""
    write(tmp_path, FILES)
    whole, file = tmp_path / "whole.duckdb", tmp_path / "warehouse.duckdb"
    duckdb.connect(str(whole)).close()
    file.touch()
    monkeypatch.setattr(connection, "time", SimpleNamespace(sleep=lambda seconds: whole.replace(file)))
    assert Project.load(tmp_path).build(["quick"]).ok
    assert not whole.exists()


def test_an_empty_file_is_told_to_be_no_database(tmp_path: Path) -> None:
    write(tmp_path, FILES)
    (tmp_path / "warehouse.duckdb").touch()
    with pytest.raises(TargetError, match="is not a valid DuckDB database file"):
        Project.load(tmp_path).build(["quick"])
