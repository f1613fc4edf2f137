"""Names of runs: ULIDs, which sort by the time at which they were made."""

import os
import re
import time

_DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
ULID = re.compile(f"[0-7][{_DIGITS}]{{25}}")
"""See https://github.com/ulid/spec."""


def new_id(seconds: float | None = None) -> str:
    """Return a new name, made at a time in seconds since 1970 (now, if none is given).

    >>> new_id(0)[:10], len(new_id())
    ('0000000000', 26)
    """
    milliseconds = int((time.time() if seconds is None else seconds) * 1000)
    number = (milliseconds << 80) | int.from_bytes(os.urandom(10))
    return "".join(_DIGITS[number >> shift & 31] for shift in range(125, -1, -5))
