"""Readers of a Postgres that never stop, under the isolation levels that publishing promises something for."""

import itertools
import threading
from pathlib import Path
from typing import Any

import psycopg
import pytest
from support import times, write
from test_publish import FILES, SHOWN

from sqlflow import Project

READERS = 2
Vector = tuple[int, ...]


def project(folder: Path, url: str, edition: int, low: int) -> Project:
    target = f"targets: {{dev: {{engine: postgres, url: '{url}'}}}}\n"
    write(folder, FILES | {"sqlflow.yml": FILES["sqlflow.yml"] + target})
    return Project.load(folder, vars={"edition": edition, "low": low})


def all_at_once(connection: "psycopg.Connection[Any]") -> Vector:
    """Return the editions that one query sees."""
    sql = " union all ".join(f"select edition from {name}" for name in SHOWN)
    return tuple(edition for (edition,) in connection.execute(sql.encode()).fetchall())


def one_after_the_other(connection: "psycopg.Connection[Any]") -> Vector:
    """Return the editions that the queries of one transaction see; one that must give way to publishing sees none."""
    with connection.transaction():
        found = [connection.execute(f"select edition from {name}".encode()).fetchall() for name in SHOWN]
    return tuple(edition for rows in found for (edition,) in rows or [(0,)])


@pytest.mark.parametrize("level", ["READ_COMMITTED", "REPEATABLE_READ"])
def test_readers_never_see_a_mixed_set_nor_rows_that_broke_an_assertion(
    level: str, tmp_path: Path, postgres_url: str
) -> None:
    assert project(tmp_path, postgres_url, 1, 1).build().ok
    histories: list[list[Vector]] = [[] for _ in range(READERS)]
    stop = threading.Event()

    def read(history: list[Vector]) -> None:
        look = all_at_once if level == "READ_COMMITTED" else one_after_the_other
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            connection.isolation_level = psycopg.IsolationLevel[level]
            while not stop.is_set():
                history.append(look(connection))

    threads = [threading.Thread(target=read, args=(history,)) for history in histories]
    for thread in threads:
        thread.start()
    try:
        for edition in range(2, times(22, 302)):
            low = 0 if edition % 3 == 0 else 1
            report = project(tmp_path, postgres_url, edition, low).build()
            assert report.ok == bool(low), report.problems
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    for history in histories:
        assert all(len(vector) == len(SHOWN) and len(set(vector)) == 1 for vector in history), "half a run was seen"
        seen = [vector[0] for vector, _ in itertools.groupby(history)]
        assert seen == sorted(set(seen)), "an older run was seen after a newer one"
        assert not any(edition % 3 == 0 for edition in seen), "rows that broke an assertion were seen"
        assert len(seen) > 5
