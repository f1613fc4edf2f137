"""The crash matrix on Postgres, where a killed client leaves a server that goes on."""

import random
import signal
from collections.abc import Iterator
from pathlib import Path

import crash
import pytest
from support import times

from sqlflow.core import failpoints
from sqlflow.core.errors import SqlflowError

PARTS = 2
"""The matrix is cut into parts that run side by side."""
STATEMENTS_AT_LEAST = 100


def some(part: int) -> Iterator[int]:
    """Yield this part's share of the statements: all of them in `make torture`, else a few from the first to the last."""
    step = times(10, 1) * PARTS
    nth = 1 + part * step // PARTS
    while True:
        yield nth
        nth += step


@pytest.mark.parametrize("part", range(PARTS))
def test_a_kill_at_any_statement_leaves_the_old_set_or_the_new_and_the_next_build_mends_all(
    part: int, tmp_path: Path
) -> None:
    faults = []
    for nth in some(part):
        folder = crash.fresh(tmp_path / "p", "postgres")
        process = crash.in_process(folder, f"any:{nth}:kill")
        process.join()
        if process.exitcode == 0:
            break
        assert process.exitcode == -signal.SIGKILL
        faults += [f"{nth}: {fault}" for fault in crash.faults_after(folder)]
    assert not faults
    assert nth > STATEMENTS_AT_LEAST


@pytest.mark.parametrize("part", range(PARTS))
def test_an_error_of_any_statement_is_told_truthfully_and_the_next_build_mends_all(part: int, tmp_path: Path) -> None:
    faults = []
    for nth in some(part):
        folder = crash.fresh(tmp_path / "p", "postgres")
        with failpoints.armed(f"any:{nth}:raise") as failure:
            try:
                told = crash.build(folder).ok
            except SqlflowError:
                told = False
        if not failure.has_happened:
            break
        if told != (crash.seen(folder) == crash.setting("postgres").new):
            faults.append(f"{nth}: told {told}, and that is not what readers see")
        faults += [f"{nth}: {fault}" for fault in crash.faults_after(folder)]
    assert not faults
    assert nth > STATEMENTS_AT_LEAST


def test_kills_at_random_moments_of_builds_with_four_threads(tmp_path: Path) -> None:
    chance, faults, codes = random.Random(7), [], set()
    for _ in range(times(6, 500)):
        folder = crash.fresh(tmp_path / "p", "postgres")
        process = crash.in_process(folder, threads=4)
        process.join(chance.uniform(0.0, 0.8))
        process.kill()
        process.join()
        codes.add(process.exitcode)
        faults += crash.faults_after(folder)
    assert not faults
    assert -signal.SIGKILL in codes
