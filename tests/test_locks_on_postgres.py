"""Builds of one Postgres at once: one runs at a time, none is lost, and none that was overtaken can publish."""

import itertools
import os
import signal
from datetime import datetime
from pathlib import Path

import crash
import psycopg
import pytest
from support import write
from test_locks import AT_ONCE

from sqlflow import Project
from sqlflow.run import lease

GATE = 4711
"""An advisory lock that the test holds, so that a block waits in the server until it lets go."""


def folder_of(folder: Path, url: str, edition: int) -> Path:
    return write(
        folder,
        {
            "sqlflow.yml": f"name: p\nvars: {{edition: 0}}\ntargets: {{dev: {{engine: postgres, url: '{url}'}}}}\n",
            "blocks/marts/quick.sql": f"select {edition} as edition",
            "blocks/marts/held.sql": f"select pg_advisory_xact_lock_shared({GATE})::text as waited, edition from quick",
        },
    )


@pytest.mark.parametrize(("builds", "rounds"), AT_ONCE)
def test_builds_started_at_once_run_one_after_the_other_and_none_is_lost(
    builds: int, rounds: int, tmp_path: Path, postgres_url: str
) -> None:
    for number in range(rounds):
        editions = range(number * builds, (number + 1) * builds)
        processes = [crash.in_process(folder_of(tmp_path / str(n), postgres_url, n)) for n in editions]
        for process in processes:
            process.join()
        assert [process.exitcode for process in processes] == [0] * builds
    with psycopg.connect(postgres_url) as warehouse:
        runs = warehouse.execute("select sequence, run, published_at from _sqlflow.sqlflow_runs order by 1").fetchall()
        versions = warehouse.execute("select count(*) from _sqlflow.sqlflow_versions where block = 'marts.quick'")
        assert versions.fetchall() == [(builds * rounds,)]
        shown = warehouse.execute("select count(distinct edition) from (table marts.quick) as q").fetchall()
    assert shown == [(1,)]
    assert [sequence for sequence, *_ in runs] == list(range(1, builds * rounds + 1))
    assert len({run for _, run, _ in runs}) == builds * rounds
    assert all(before[2] < after[2] for before, after in itertools.pairwise(runs))
    assert all(datetime.strptime(run[:18] + "000", "%Y%m%dT%H%M%S%f") < published for _, run, published in runs)


def test_a_holder_that_was_stopped_and_overtaken_cannot_publish_when_it_wakes(
    tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (folder_of(tmp_path / name, postgres_url, edition) for name, edition in (("a", 1), ("b", 2)))
    with psycopg.connect(postgres_url, autocommit=True) as gate:
        gate.execute(f"select pg_advisory_lock({GATE})".encode())
        with crash.command(first, "build") as (holder, lines):
            while not gate.execute("select 1 from pg_locks where locktype = 'advisory' and not granted").fetchall():
                assert holder.is_alive()
            os.kill(holder.pid, signal.SIGSTOP)
            while "T (stopped)" not in Path(f"/proc/{holder.pid}/status").read_text():
                assert holder.is_alive()
            monkeypatch.setattr(lease, "DEAD_SECONDS", 0.0)
            assert Project.load(second).build(["quick"]).ok
            gate.execute(f"select pg_advisory_unlock({GATE})".encode())
            os.kill(holder.pid, signal.SIGCONT)
            said = lines.read()
            holder.join()
        assert gate.execute("select edition from marts.quick").fetchall() == [(2,)]
        assert gate.execute("select to_regclass('marts.held')").fetchall() == [(None,)]
    assert holder.exitcode == 3
    assert "this run was taken for dead and overtaken by another build: it must not publish" in said, said
