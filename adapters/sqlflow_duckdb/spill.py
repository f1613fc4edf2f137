"""The files to which DuckDB spills what does not fit into memory: they outlive a process that is killed."""

import hashlib
import threading
from collections import Counter
from contextlib import suppress
from pathlib import Path

_open: Counter[Path] = Counter()
"""How often this process has each database open for writing; no other process can have it open then."""
_lock = threading.Lock()


def folder(database: Path, below: Path | None = None) -> Path:
    """Return where a database spills: beside itself, or in a folder of its own `below` one that others may use too."""
    if below is None:
        return database.with_name(database.name + ".tmp")
    own = hashlib.blake2b(str(database.resolve()).encode(), digest_size=6).hexdigest()
    return below / f"{database.name}-{own}.tmp"


def enter(database: Path, below: Path | None = None) -> None:
    """Note that the database is open; whoever is the first removes what a killed process has spilled."""
    with _lock:
        _open[database.resolve()] += 1
        if _open[database.resolve()] == 1:
            _sweep(folder(database, below))
        if below is not None:
            with suppress(OSError):  # DuckDB makes one folder alone, and tells what is wrong with it
                below.mkdir(parents=True, exist_ok=True)


def leave(database: Path) -> None:
    with _lock:
        _open[database.resolve()] -= 1


def _sweep(spilled: Path) -> None:
    with suppress(OSError):  # what cannot be removed now is removed at another time
        for file in spilled.glob("duckdb_temp_*"):
            file.unlink()
        spilled.rmdir()
