"""What rows are, against what they should be: by row and by column."""

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from msgspec import Struct

Row = tuple[Any, ...]
_PAIRED_AT_MOST = 200
"""So many rows that fit nowhere are compared each with each, to tell which cells differ."""
_PRECISION = 1e-9
"""How much two floats may differ, as a share, and be the same: sums depend on the order of what is added."""


class Difference(Struct, frozen=True):
    """A row that is expected and not there (`result` is None), the other way round, or there with other values."""

    expected: Row | None
    result: Row | None


def differences(expected: Sequence[Row], result: Sequence[Row]) -> tuple[Difference, ...]:
    """Return what differs between two bags of rows; nothing if they are the same in any order."""
    missing, surplus = _unmatched(expected, result)
    found = []
    while missing and surplus and len(missing) * len(surplus) <= _PAIRED_AT_MOST**2:
        best = max(
            ((_same(one, other), -at, -to) for at, one in enumerate(missing) for to, other in enumerate(surplus))
        )
        if best[0] == 0 and len(missing[0]) > 1:
            break
        found.append(Difference(missing.pop(-best[1]), surplus.pop(-best[2])))
    found += [Difference(row, None) for row in missing] + [Difference(None, row) for row in surplus]
    return tuple(found)


def _unmatched(expected: Sequence[Row], result: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """Return the rows of each side that have no equal on the other."""
    places: dict[Row, list[int]] = defaultdict(list)
    for at, row in enumerate(result):
        places[_exact(row)].append(at)
    taken: set[int] = set()
    missing: list[Row] = []
    for row in expected:
        found = next((at for at in places[_exact(row)] if at not in taken and are_equal(row, result[at])), None)
        if found is None:
            missing.append(row)
        else:
            taken.add(found)
    return missing, [row for at, row in enumerate(result) if at not in taken]


def _exact(row: Row) -> Row:
    """Return the part of a row in which equal rows are the same: all but the floats."""
    return tuple(None if isinstance(value, float) else value for value in row)


def are_equal(one: Row, other: Row) -> bool:
    return all(is_equal(mine, yours) for mine, yours in zip(one, other, strict=True))


def is_equal(one: Any, other: Any) -> bool:
    """Tell whether two values are the same; floats may differ in their last digits."""
    if isinstance(one, float) and isinstance(other, float):
        return (math.isnan(one) and math.isnan(other)) or math.isclose(one, other, rel_tol=_PRECISION)
    return bool(one == other)


def _same(one: Row, other: Row) -> int:
    return sum(is_equal(mine, yours) for mine, yours in zip(one, other, strict=True))
