"""The crash matrix: a build is cut off at every statement; readers see one whole set, and the next build mends all."""

import random
import signal
from collections.abc import Iterator
from pathlib import Path

import crash
import pytest
from support import times

from sqlflow.core import failpoints
from sqlflow.core.errors import BusyError, SqlflowError

PARTS = 4
"""The matrix is cut into parts that run side by side."""
STATEMENTS_AT_LEAST = 100


def every(part: int) -> Iterator[int]:
    """Yield this part's share of 1, 2, 3, … without end."""
    nth = part + 1
    while True:
        yield nth
        nth += PARTS


@pytest.mark.parametrize("part", range(PARTS))
def test_a_kill_at_any_statement_leaves_the_old_set_or_the_new_and_the_next_build_mends_all(
    part: int, tmp_path: Path
) -> None:
    faults = []
    for nth in every(part):
        folder = crash.fresh(tmp_path / "p")
        process = crash.in_process(folder, f"any:{nth}:kill")
        process.join()
        if process.exitcode == 0:
            break
        assert process.exitcode == -signal.SIGKILL
        faults += [f"{nth}: {fault}" for fault in crash.faults_after(folder)]
    assert not faults
    assert nth > STATEMENTS_AT_LEAST


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("kind", ["raise", "enospc"][: times(1, 2)])
def test_an_error_of_any_statement_is_told_truthfully_and_the_next_build_mends_all(
    kind: str, part: int, tmp_path: Path
) -> None:
    faults = []
    for nth in every(part):
        folder = crash.fresh(tmp_path / "p")
        with failpoints.armed(f"any:{nth}:{kind}") as failure:
            try:
                told = crash.build(folder).ok
            except SqlflowError:
                told = False
        if not failure.has_happened:
            break
        if told != (crash.seen(folder) == crash.setting().new):
            faults.append(f"{nth}: told {told}, and that is not what readers see")
        faults += [f"{nth}: {fault}" for fault in crash.faults_after(folder)]
    assert not faults
    assert nth > STATEMENTS_AT_LEAST


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
    chance, faults, codes = random.Random(part), [], set()
    for _ in range(times(7, 500)):
        folder = crash.fresh(tmp_path / "p")
        process = crash.in_process(folder, threads=4)
        process.join(chance.uniform(0.0, 0.6))
        process.kill()
        process.join()
        codes.add(process.exitcode)
        faults += crash.faults_after(folder)
    assert not faults
    assert -signal.SIGKILL in codes
