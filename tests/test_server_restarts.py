"""A Postgres of the test's own is started again while a build runs: the build goes on, and says so."""

import random
import shutil
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import postgres_server
import psycopg
import pytest
from support import times, write

from sqlflow import Project
from sqlflow.core import events
from sqlflow.core.errors import SqlflowError

FILES = {
    "blocks/staging/a.sql": "select id, {{ var('edition') }} as edition from generate_series(1, 3) as n (id)",
    "blocks/marts/b.sql": "/*---\nassert: [{unique: id}]\n---*/\nselect id, edition from staging.a",
    "blocks/marts/c.sql": "select max(edition) as edition from marts.b",
}


@pytest.fixture
def server() -> Iterator[tuple[Path, str]]:
    """Yield the folder of a server that is no other test's, and its URL."""
    folder = Path(tempfile.mkdtemp(prefix="sqlflow-own-"))
    folder.chmod(0o755)
    url = postgres_server.start(folder, synchronous_commit="on")
    yield folder, url
    postgres_server.stop_below(folder)
    shutil.rmtree(folder, ignore_errors=True)


def build(folder: Path, url: str, edition: int, hear: Any = lambda event: None) -> Any:
    settings = f"name: p\nvars: {{edition: 1}}\ntargets: {{dev: {{engine: postgres, url: '{url}'}}}}\n"
    write(folder, FILES | {"sqlflow.yml": settings})
    return Project.load(folder, vars={"edition": edition}).build(threads=1, listener=hear)


def shown(url: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as reader:
        return reader.execute("select c.edition, max(b.edition), count(*) from marts.b, marts.c group by 1").fetchall()


def held_back(url: str) -> bool:
    """Tell whether sqlflow waits for a lock."""
    query = "select 1 from pg_stat_activity where wait_event_type = 'Lock' and application_name like 'sqlflow%'"
    with psycopg.connect(url) as other:
        return bool(other.execute(query).fetchall())


@pytest.mark.parametrize("mode", ["fast", "immediate"])
@pytest.mark.parametrize("at", ["staging.a", "marts.b", "marts.c"])
def test_a_server_that_is_started_again_in_mid_build_costs_the_block_one_more_try(
    at: str, mode: str, tmp_path: Path, server: tuple[Path, str]
) -> None:
    home, url = server
    assert build(tmp_path, url, 1).ok
    told: list[str] = []

    def hear(event: events.Event) -> None:
        if isinstance(event, events.BlockStarted) and event.block == at and not told:
            told.append(f"`{at}`")
            postgres_server.restart(home, mode)
        if isinstance(event, events.Warned):
            told.append(event.message)

    assert build(tmp_path, url, 2, hear).ok
    assert f"`{at}` is tried again: the connection to Postgres is lost" in told[1]
    assert shown(url) == [(2, 2, 3)]
    assert all(result.status == "reused" for result in build(tmp_path, url, 2).blocks)


def test_a_server_that_ends_at_random_moments_leaves_what_was_told(tmp_path: Path, server: tuple[Path, str]) -> None:
    """The build goes on once the server is there, or fails; what it has said of publishing is what readers see."""
    home, url = server
    chance, faults, there = random.Random(10), [], 1
    assert build(tmp_path, url, there).ok
    for edition in range(2, times(4, 52)):
        ends: list[int] = []
        thread = threading.Thread(
            target=lambda edition=edition, ends=ends: ends.append(exit_of(tmp_path, url, edition))
        )
        thread.start()
        thread.join(chance.uniform(0.0, 0.5))
        postgres_server.restart(home, chance.choice(["fast", "immediate"]))
        thread.join()
        there = there if ends[0] else edition
        if ends[0] not in (0, 4) or shown(url) != [(there, there, 3)]:
            faults.append(f"{edition}: exit {ends[0]}, and readers see {shown(url)}")
    assert not faults
    assert build(tmp_path, url, 100).ok
    assert shown(url) == [(100, 100, 3)]


def exit_of(folder: Path, url: str, edition: int) -> int:
    try:
        code: int = build(folder, url, edition).exit_code
    except SqlflowError as error:
        return error.exit_code
    return code


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_a_server_that_is_started_again_while_publishing_publishes_once_it_is_there(
    mode: str, tmp_path: Path, server: tuple[Path, str]
) -> None:
    home, url = server
    assert build(tmp_path, url, 1).ok
    done: list[Any] = []
    with psycopg.connect(url) as reader:
        reader.execute("lock table marts.b in access share mode")
        thread = threading.Thread(target=lambda: done.append(build(tmp_path, url, 2)))
        thread.start()
        while not held_back(url):
            assert thread.is_alive()
        postgres_server.restart(home, mode)
        reader.close()
    thread.join()
    assert done[0].ok, done[0].problems
    assert shown(url) == [(2, 2, 3)]
    with psycopg.connect(url) as other:
        marks = "select count(*), count(distinct run) from _sqlflow.sqlflow_runs"
        assert other.execute(marks).fetchall() == [(2, 2)]
        assert other.execute("select run from _sqlflow.sqlflow_leases").fetchall() == [("",)]
