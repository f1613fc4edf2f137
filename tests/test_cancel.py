"""Cancelled means stopped: the query has ended, nothing is published, the state is clean, and the status says so."""

import json
import os
import random
import signal
from pathlib import Path
from typing import Any, TextIO

import crash
import pytest
from support import times, write

SLOW = {
    "duckdb": "select count(*) as n from range(10000000) a, range(10000000) b",
    "postgres": "select count(*) as n from generate_series(1, 10000000) a, generate_series(1, 10000000) b",
}
SECONDS = 30
"""How long a test waits for a process that should have ended long ago."""


def events_of(lines: TextIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines if line.startswith("{")]


@pytest.mark.parametrize(("engine", "part"), [("duckdb", 0), ("duckdb", 1), ("postgres", 2)])
def test_a_signal_at_a_random_moment_stops_all_and_the_status_tells_what_happened(
    engine: str, part: int, tmp_path: Path
) -> None:
    chance, faults, statuses = random.Random(part), [], []
    for _ in range(times(10 if engine == "duckdb" else 6, 500)):
        folder = crash.fresh(tmp_path / "p", engine)
        if chance.random() < 0.5:
            write(folder, {"blocks/marts/slow.sql": SLOW[engine]})
        number = chance.choice((signal.SIGINT, signal.SIGTERM))
        words = ("build", "--vars", "edition=2", "--prune", "--adopt", "--output", "jsonl")
        with crash.command(folder, *words) as (process, lines):
            first = json.loads(lines.readline())
            process.join(chance.uniform(0.0, 0.3))
            if process.is_alive():
                os.kill(process.pid, number)
            events = [first, *events_of(lines)]
            process.join(SECONDS)
            code = process.exitcode
        status = events[-1].get("status", "none")
        statuses.append(status)
        (folder / "blocks/marts/slow.sql").unlink(missing_ok=True)
        cut, expected = crash.seen(folder), crash.setting(engine)
        faults += [f"still runs: {query}" for query in crash.running(folder)]
        if (code, status) == (0, "warned"):
            faults += [] if cut == expected.new else ["succeeded, and the new set is not there"]
        elif (code, status) != (128 + number, "cancelled") or cut != expected.old:
            faults.append(f"exit {code}, {status}, {cut}, {events[-1]}")
        faults += crash.faults_after(folder)
    assert not faults
    assert "cancelled" in statuses


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
