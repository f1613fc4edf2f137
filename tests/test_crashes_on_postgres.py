"""The crash matrix on Postgres, where a killed client leaves a server that goes on."""

import random
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from urllib.parse import quote

import crash
import psycopg
import pytest
from proxy import Proxy
from support import times

PARTS = 2
"""The matrix is cut into parts that run side by side."""


def some(part: int) -> Iterator[int]:
    """Return this part's share of the statements: all of them in `make torture`, else a few from the first to the last."""
    step = times(10, 1) * PARTS
    return count(1 + part * step // PARTS, step)


@pytest.mark.parametrize("part", range(PARTS))
def test_a_kill_at_any_statement_leaves_the_old_set_or_the_new_and_the_next_build_mends_all(
    part: int, tmp_path: Path
) -> None:
    assert crash.faults_of_kills("postgres", some(part), tmp_path / "p") == []


@pytest.mark.parametrize("part", range(PARTS))
def test_an_error_of_any_statement_is_told_truthfully_and_the_next_build_mends_all(part: int, tmp_path: Path) -> None:
    assert crash.faults_of_errors("postgres", "raise", some(part), tmp_path / "p") == []


def test_kills_at_random_moments_of_builds_with_four_threads(tmp_path: Path) -> None:
    kills = times(25, 500)
    assert crash.faults_of_random_kills("postgres", random.Random(7), kills, 0.8, tmp_path / "p") == []


def test_connections_that_the_server_ends_at_random_moments_leave_what_was_told(tmp_path: Path) -> None:
    """The build goes on with new ones, or fails; what it has said of publishing is what readers see."""
    chance, faults, expected = random.Random(8), [], crash.setting("postgres")
    for number in range(times(10, 200)):
        folder = crash.fresh(tmp_path / "p", "postgres")
        process = crash.in_process(folder, threads=2)
        process.join(chance.uniform(0.0, 0.8))
        with crash.opened(folder) as rows:
            rows(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where application_name like 'sqlflow%' and datname = current_database()"
            )
        process.join()
        seen = crash.seen(folder)
        if process.exitcode not in (0, 1, 4) or seen != (expected.old if process.exitcode else expected.new):
            faults.append(f"{number}: exit {process.exitcode}, and readers see {seen}")
        faults += [f"{number}: {fault}" for fault in crash.faults_after(folder)]
    assert not faults


@contextmanager
def through_a_proxy(folder: Path) -> Iterator[Proxy]:
    """Let the builds of a project speak to its server through a proxy."""
    url = crash.url_of(folder)
    given = psycopg.conninfo.conninfo_to_dict(url)
    sockets = Path(tempfile.mkdtemp(prefix="sqlflow-cut-"))
    try:
        with Proxy(Path(f"{given['host']}/.s.PGSQL.{given.get('port', 5432)}"), sockets) as proxy:
            crash.point_to(folder, url.replace(quote(str(given["host"]), safe=""), quote(str(sockets), safe="")))
            yield proxy
    finally:
        crash.point_to(folder, url)
        shutil.rmtree(sockets)


def test_a_connection_that_is_cut_after_any_number_of_bytes_leaves_what_was_told(tmp_path: Path) -> None:
    """The build goes on with a new one, or fails; what it has said of publishing is what readers see."""
    chance, faults, expected = random.Random(9), [], crash.setting("postgres")
    with through_a_proxy(crash.fresh(tmp_path / "p", "postgres")) as proxy:
        assert crash.build(tmp_path / "p").ok
    for number in range(times(10, 200)):
        folder = crash.fresh(tmp_path / "p", "postgres")
        cut = chance.randrange(proxy.passed)
        with through_a_proxy(folder) as cutting:
            cutting.bytes_left = cut
            process = crash.in_process(folder)
            process.join()
            assert cutting.bytes_left is None
        seen = crash.seen(folder)
        if process.exitcode not in (0, 1, 4) or seen != (expected.old if process.exitcode else expected.new):
            faults.append(f"{number}, after {cut} bytes: exit {process.exitcode}, and readers see {seen}")
        faults += [f"{number}, after {cut} bytes: {fault}" for fault in crash.faults_after(folder)]
    assert not faults
