"""What a run is called."""

import os
from datetime import UTC, datetime


def new_run() -> str:
    """Return an id that is unique and sorts by time."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}"[:-3] + os.urandom(2).hex()
