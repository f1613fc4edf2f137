"""Mutated projects get an answer: no traceback, no hang, no blow-up, nothing written elsewhere. See `fuzz.py`."""

import fuzz
import pytest
from support import times

PARTS = 2


@pytest.mark.parametrize("part", range(PARTS))
def test_mutated_projects_are_answered(part: int) -> None:
    found = dict(fuzz.faults(part, times(10**6, 10**5), PARTS, times(30, 10**6)))
    assert {number: faults for number, faults in found.items() if faults} == {}
    assert found
