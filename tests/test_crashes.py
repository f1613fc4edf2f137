"""The crash matrix: a build is cut off at every statement; readers see one whole set, and the next build mends all."""

import random
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import crash
import pytest
from support import times

from sqlflow.core.errors import BusyError

PARTS = 4
"""The matrix is cut into parts that run side by side."""


def every(part: int) -> Iterator[int]:
    """Return this part's share of 1, 2, 3, … without end."""
    return count(part + 1, PARTS)


@pytest.mark.parametrize("part", range(PARTS))
def test_a_kill_at_any_statement_leaves_the_old_set_or_the_new_and_the_next_build_mends_all(
    part: int, tmp_path: Path
) -> None:
    assert crash.faults_of_kills("duckdb", every(part), tmp_path / "p") == []


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("kind", ["raise", "enospc"][: times(1, 2)])
def test_an_error_of_any_statement_is_told_truthfully_and_the_next_build_mends_all(
    kind: str, part: int, tmp_path: Path
) -> None:
    assert crash.faults_of_errors("duckdb", kind, every(part), tmp_path / "p") == []


@pytest.mark.parametrize("part", range(PARTS))
def test_a_build_that_hangs_is_named_and_can_be_killed_at_any_statement(part: int, tmp_path: Path) -> None:
    faults = []
    for nth in range(part + 1, times(9, 1000), PARTS):
        folder = crash.fresh(tmp_path / "p")
        process, said = crash.in_process_that_speaks(folder, f"any:{nth}:hang")
        if not said.startswith("hangs at"):
            break
        with pytest.raises(BusyError, match=f"pid {process.pid}"):
            crash.build(folder, lock_timeout=0)
        process.kill()
        process.join()
        faults += [f"{nth}: {fault}" for fault in crash.faults_after(folder)]
    assert not faults


@pytest.mark.parametrize("part", range(PARTS))
def test_kills_at_random_moments_of_builds_with_four_threads(part: int, tmp_path: Path) -> None:
    kills = times(7, 500)
    assert crash.faults_of_random_kills("duckdb", random.Random(part), kills, 0.6, tmp_path / "p") == []
