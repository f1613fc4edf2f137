"""Cancelled means stopped: the query has ended, nothing is published, the state is clean, and the status says so."""

import fcntl
import json
import os
import random
import select
import signal
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import crash
import psycopg
import pytest
from support import times, write

SLOW = {
    "duckdb": "select count(*) as n from range(10000000) a, range(10000000) b",
    "postgres": "select count(*) as n from generate_series(1, 10000000) a, generate_series(1, 10000000) b",
}
BUILD = ("build", "--vars", "edition=2", "--prune", "--adopt", "--output", "jsonl")
PIPE_BYTES = 4096
SECONDS_OF_A_QUERY = 3
"""CPU time that a command which only reads does not take without its query."""
SECONDS = 30
"""How long a test waits for a process that should have ended long ago."""


def events_of(lines: Iterable[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines if line.startswith("{")]


@pytest.mark.parametrize(("engine", "part"), [("duckdb", 0), ("duckdb", 1), ("postgres", 2)])
def test_a_signal_at_a_random_moment_stops_all_and_the_status_tells_what_happened(
    engine: str, part: int, tmp_path: Path
) -> None:
    chance, faults, statuses = random.Random(part), [], []
    for number in range(times(10 if engine == "duckdb" else 6, 500)):
        status, found = answer_to_a_signal(engine, chance, tmp_path / "p")
        crash.tell(tmp_path / "faults.txt", (f"signal {number}: {fault}" for fault in found))
        statuses.append(status)
        faults += found
    assert not faults
    assert "cancelled" in statuses


def answer_to_a_signal(engine: str, chance: random.Random, into: Path) -> tuple[str, list[str]]:
    """Send a signal to a build at a random moment, and return the status that it told with what does not hold then."""
    folder = crash.fresh(into, engine)
    if chance.random() < 0.5:
        write(folder, {"blocks/marts/slow.sql": SLOW[engine]})
    number, seconds = chance.choice((signal.SIGINT, signal.SIGTERM)), chance.uniform(0.0, 0.3)
    with crash.command(folder, *BUILD) as (process, lines):
        printed = [lines.readline()]
        process.join(seconds)
        if process.is_alive():
            os.kill(process.pid, number)
        printed += lines
        process.join(SECONDS)
        code = process.exitcode
    events = events_of(printed)
    status = events[-1].get("status", "none") if events else "none"
    (folder / "blocks/marts/slow.sql").unlink(missing_ok=True)
    cut, expected = crash.seen(folder), crash.setting(engine)
    faults = [f"still runs: {query}" for query in crash.running(folder)]
    if (code, status) == (0, "warned"):
        faults += [] if cut == expected.new else ["succeeded, and the new set is not there"]
    elif (code, status) != (128 + number, "cancelled") or cut != expected.old:
        faults.append(f"{number.name} after {seconds:.3f} s: exit {code}, {status}, {cut}, {''.join(printed[-5:])}")
    return status, faults + crash.faults_after(folder)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_that_comes_when_the_run_has_ended_changes_nothing(number: signal.Signals, tmp_path: Path) -> None:
    """The report is longer than what its reader takes at once: the run is over, and the process is not."""
    blocks = {f"blocks/b{number}.sql": "select 1 as one" for number in range(30)}
    write(tmp_path, {"sqlflow.yml": "name: p\n", **blocks})
    with crash.command(tmp_path, "build", "--output", "json") as (process, lines):
        fcntl.fcntl(lines, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        assert select.select([lines], [], [], SECONDS)[0]
        os.kill(process.pid, number)
        said = lines.read()
        process.join(SECONDS)
    assert len(said) > PIPE_BYTES
    assert (json.loads(said)["status"], process.exitcode) == ("succeeded", 0)


def test_a_second_signal_ends_a_process_whose_run_has_ended(tmp_path: Path) -> None:
    blocks = {f"blocks/b{number}.sql": "select 1 as one" for number in range(30)}
    write(tmp_path, {"sqlflow.yml": "name: p\n", **blocks})
    with crash.command(tmp_path, "build", "--output", "json") as (process, lines):
        fcntl.fcntl(lines, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        assert select.select([lines], [], [], SECONDS)[0]
        while process.is_alive():
            os.kill(process.pid, signal.SIGINT)
            process.join(0.2)
        assert process.exitcode == 128 + signal.SIGINT
    assert len(crash.seen(tmp_path)) == len(blocks)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_a_query_runs_for_a_command_that_only_reads_ends_it(
    number: signal.Signals, tmp_path: Path
) -> None:
    write(tmp_path, {"sqlflow.yml": "name: p\n", "blocks/a.sql": f"with slow as ({SLOW['duckdb']}) select 1 as one"})
    assert crash.build(tmp_path).ok
    with crash.command(tmp_path, "show", "a", "--cte", "slow") as (process, lines):
        while crash.cpu_seconds(process.pid) < SECONDS_OF_A_QUERY:
            process.join(0.05)
        os.kill(process.pid, number)
        assert lines.read().strip() == "cancelled"
        process.join(SECONDS)
        assert process.exitcode == 128 + number


@pytest.mark.parametrize("engine", ["duckdb", "postgres"])
def test_a_signal_at_a_random_moment_of_a_rollback_comes_too_late_or_before_it(engine: str, tmp_path: Path) -> None:
    chance, faults = random.Random(4), []
    old, new = crash.setting(engine).old, crash.setting(engine).new
    for _ in range(times(3, 200)):
        folder = crash.fresh(tmp_path / "p", engine)
        config = folder / "sqlflow.yml"
        config.write_text(config.read_text().replace("keep: 0.000001", "keep: 7"))
        assert crash.build(folder).ok
        with crash.command(folder, "rollback") as (process, lines):
            process.join(chance.uniform(0.0, 1.0))
            if process.is_alive():
                os.kill(process.pid, signal.SIGINT)
            said = lines.read()
            process.join(SECONDS)
        shown = {name: rows for name, rows in crash.seen(folder).items() if name in old and name in new}
        expected = old if process.exitcode == 0 else new
        has_begun = process.exitcode != 1 or said.startswith("error")  # before that, Python itself ends it
        if (has_begun and process.exitcode not in (0, 130)) or shown != {name: expected[name] for name in shown}:
            faults.append(f"exit {process.exitcode}: {said}: {shown}")
        faults += crash.faults_after(folder) if expected == new else []
    assert not faults


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_second_signal_ends_a_process_that_does_not_obey_the_first(number: signal.Signals, tmp_path: Path) -> None:
    folder = crash.fresh(tmp_path / "p")
    process, said = crash.in_process_that_speaks(folder, "create table:1:hang")
    assert said == "hangs at create table\n"
    while process.is_alive():
        os.kill(process.pid, number)
        process.join(0.2)
    assert process.exitcode == 128 + number
    assert not crash.faults_after(folder)


def test_a_terminal_that_goes_away_ends_no_build(tmp_path: Path) -> None:
    write(
        tmp_path,
        {"sqlflow.yml": "name: p\n", "blocks/a.sql": "select count(*) as n from range(30000000) where hash(range) > 1"},
    )
    with crash.command(tmp_path, "build", "--output", "jsonl") as (process, lines):
        assert any('"block_started"' in line for line in lines)
        os.kill(process.pid, signal.SIGHUP)
        lines.close()
        process.join(SECONDS)
        assert process.exitcode == 0
    assert list(crash.seen(tmp_path)) == ["main.a"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_that_comes_before_anything_runs_ends_the_command(number: signal.Signals, tmp_path: Path) -> None:
    folder = crash.fresh(tmp_path / "p")
    with crash.command(folder, "build", failure="lease taken:1:hang") as (process, lines):
        assert lines.readline() == "hangs at lease taken\n"
        os.kill(process.pid, number)
        assert lines.read().strip() == "cancelled"
        process.join(SECONDS)
        assert process.exitcode == 128 + number
    assert not crash.faults_after(folder)


@pytest.mark.parametrize("engine", ["duckdb", "postgres"])
def test_a_signal_stops_the_statements_that_run_after_publishing(engine: str, tmp_path: Path) -> None:
    folder = crash.fresh(tmp_path / "p", engine)
    slow = f"create table main.slow as {SLOW[engine]}" if engine == "duckdb" else f"create table slow as {SLOW[engine]}"
    write(folder, {"blocks/marts/last.sql": f"/*---\non_success: {slow}\n---*/\nselect 1 as one"})
    with crash.command(folder, "build", "marts.last", "--output", "jsonl") as (process, lines):
        for line in iter(lines.readline, ""):
            if json.loads(line)["event"] == "published":
                os.kill(process.pid, signal.SIGINT)
                break
        told = [event["message"] for event in events_of(lines) if event["event"] == "warned"]
        process.join(SECONDS)
    assert process.exitcode == 0
    assert [text.partition(":")[0] for text in told] == ["`on_success` of `marts.last`"]
    assert crash.running(folder) == []


def test_a_signal_that_comes_too_late_to_stop_publishing_stops_more_tries_of_it(tmp_path: Path) -> None:
    folder = crash.fresh(tmp_path / "p", "postgres")
    with psycopg.connect(crash.url_of(folder)) as reader:
        reader.execute("select * from marts.b")
        with crash.command(folder, *BUILD, "--retries", "3") as (process, lines):
            while not crash.waiting(folder):
                assert process.is_alive()
            os.kill(process.pid, signal.SIGINT)
            events = events_of(lines)
            process.join(SECONDS)
    assert (events[-1]["status"], process.exitcode) == ("cancelled", 128 + signal.SIGINT)
    assert [event["event"] for event in events].count("run_started") == 1
    assert "lock timeout" in next(event["reason"] for event in events if event["event"] == "not_published")
    assert not crash.faults_after(folder)
