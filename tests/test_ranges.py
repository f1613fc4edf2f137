"""Blocks of time ranges: a backfill that is killed at any moment loses no interval and doubles none."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import crash
import postgres_server
import pytest
from support import times, write

from sqlflow import Project

DAYS = 12
START, END = "2026-01-01", "2026-01-13"
BLOCK = f"""/*---
materialize: incremental
strategy: time_range
time_column: moment
interval: day
start: {START}
end: {END}
batch_size: 1
---*/
select id, moment, edition from landing.rows where moment >= '{{{{ start }}}}' and moment < '{{{{ end }}}}'
"""
FILES = {"sqlflow.yml": "name: p\n", "blocks/marts/orders.sql": BLOCK}
BACKFILL = ("backfill", "orders", "--from", START, "--to", END, "--quiet")


@contextmanager
def project(folder: Path, engine: str) -> Iterator[Path]:
    """Yield a project whose block is built, over a source with two rows of each day, all of edition 0."""
    url = postgres_server.new_database() if engine == "postgres" else ""
    target = f"targets: {{dev: {{engine: postgres, url: '{url}'}}}}\n" if url else ""
    write(folder, {**FILES, "sqlflow.yml": FILES["sqlflow.yml"] + target})
    first = datetime.fromisoformat(START)
    rows = ", ".join(
        f"({2 * day + more}, '{first + timedelta(days=day, hours=12 * more)}')"
        for day in range(DAYS)
        for more in (0, 1)
    )
    with crash.opened(folder) as execute:
        execute("create schema landing")
        execute("create table landing.rows (id integer, moment timestamp, edition integer default 0)")
        execute(f"insert into landing.rows (id, moment) values {rows}")
    assert Project.load(folder).build().ok
    try:
        yield folder
    finally:
        if url:
            postgres_server.drop_database(url)


def editions(folder: Path) -> list[tuple[int, int]]:
    """Return what is published: the edition of each row, by its number."""
    with crash.opened(folder) as rows:
        return sorted(rows("select id, edition from marts.orders"))


def every(edition: int) -> list[tuple[int, int]]:
    return [(number, edition) for number in range(2 * DAYS)]


def borders(folder: Path) -> list[tuple[str, str]]:
    """Return the ledger of what is published, as text."""
    with crash.opened(folder) as rows:
        found = rows(
            "select starts_at, ends_at from _sqlflow.sqlflow_intervals join _sqlflow.sqlflow_published using (relation)"
        )
    return sorted((f"{start:%F}", f"{end:%F}") for start, end in found)


def waiting(folder: Path) -> int:
    """Return how many parts are there that no version shows."""
    with crash.opened(folder) as rows:
        return int(rows("select count(*) from _sqlflow.sqlflow_versions where kind = 'part' and key <> relation")[0][0])


@pytest.mark.parametrize(
    ("engine", "part", "rounds"),
    [*(("duckdb", part, times(10, 200)) for part in range(3)), ("postgres", 0, times(6, 200))],
)
def test_a_backfill_that_is_killed_at_any_moment_loses_no_interval_and_doubles_none(
    engine: str, part: int, rounds: int, tmp_path: Path
) -> None:
    chance, faults, resumed = random.Random(part), [], 0
    with project(tmp_path / "p", engine) as folder:
        for edition in range(1, rounds + 1):
            with crash.opened(folder) as execute:
                execute(f"update landing.rows set edition = {edition}")
            failure = f"any:{chance.randrange(1, 160)}:kill" if edition % 2 else crash.NO_FAILURE
            with crash.command(folder, *BACKFILL, failure=failure) as (process, _):
                process.join(None if edition % 2 else chance.uniform(0.0, 0.8))
            if editions(folder) not in (every(edition - 1), every(edition)):
                faults.append(f"{edition}: a reader sees {editions(folder)}")
            resumed += bool(waiting(folder))
            report = Project.load(folder).backfill(["orders"], START, END)
            if not report.ok or editions(folder) != every(edition):
                faults.append(f"{edition}: the next backfill gives {editions(folder)}")
            ledger = borders(folder)
            gaps = [one for one, following in pairwise(ledger) if one[1] != following[0]]
            if gaps or (ledger[0][0], ledger[-1][1]) != (START, END):
                faults.append(f"{edition}: the ledger is {ledger}")
            faults += [f"{edition}: left over: {name}" for name in crash.left_over(folder)] + ["waits"] * waiting(
                folder
            )
    assert not faults
    assert resumed
