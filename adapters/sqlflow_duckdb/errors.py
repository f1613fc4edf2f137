"""DuckDB's errors as ours."""

import json
import re
import time
from pathlib import Path
from typing import Any

import duckdb

from sqlflow.core.errors import BusyError, SqlflowError, StatementError, TargetError
from sqlflow_duckdb.holders import busy

_HOLDER = re.compile(r"held in (?P<program>.*?) \(PID (?P<pid>\d+)\)(?: by user (?P<user>\S+))?")
_NO_SCHEMA = re.compile(r'table with name "([^"]*)" does not exist because schema', re.IGNORECASE)
_LINE = re.compile(r"^LINE (?P<line>\d+): (?P<text>.*)\n(?P<caret> *)\^", re.MULTILINE)


_DISK_FULL = re.compile(r"No space left on device|File too large|Disk quota exceeded", re.IGNORECASE)
_CLOSED = re.compile(r"database has been invalidated|Connection already closed", re.IGNORECASE)
_BROKEN = re.compile(
    r"Corrupt|checksum|failed to read|Could not read|Could not write|Failed to deserialize|Read-only file",
    re.IGNORECASE,
)


_OF_COLUMNS = re.compile(
    r"^(referenced (column|table) \"|(table|values list) \".*?\" does not have a column named|ambiguous reference to column"
    r"|cannot (compare|mix) values of type|set operations can only apply to expressions with the same number"
    r"|column \".*?\" (in (exclude|replace|rename) list not found|does not exist on (left|right) side of join"
    r"|must appear in the group by))",
    re.IGNORECASE | re.DOTALL,
)
"""Not the missing overload of a function: an extension may bring it."""


def refused(error: Exception, sql: str, path: Path) -> StatementError | TargetError:
    """Return why a statement did not run: what DuckDB has against it, or what has happened to the database at `path`."""
    text = str(error)
    told = statement_error(error, sql)
    if _DISK_FULL.search(text):
        return TargetError(
            f"the disk is full: no space for the database `{path}`, which has grown to {_megabytes(path)} ({told.message})",
            hint="make room and build again: what is published is as it was",
        )
    if _CLOSED.search(text):
        return TargetError(f"the database `{path}` was closed by an earlier error", hint="build again")
    if isinstance(error, (duckdb.IOException, duckdb.FatalException, duckdb.SerializationException)) and (
        (_BROKEN.search(text) and str(path) in text) or isinstance(error, duckdb.FatalException)
    ):
        return TargetError(
            f"the database `{path}` cannot be used: {told.message}", hint="put its backup back, or move it away"
        )
    return told


def _megabytes(path: Path) -> str:
    try:
        return f"{path.stat().st_size / 1e6:,.0f} MB"
    except OSError:
        return "an unknown size"


def statement_error(error: Exception, sql: str) -> StatementError:
    """Return DuckDB's error with its position as a character of `sql`, where DuckDB gives one."""
    text = str(error)
    _, _, rest = text.partition(": ")
    details = _details(rest)
    if details is None:
        return StatementError(_without_excerpt(text), _caret_position(text, sql))
    message = _sentence(str(details.get("exception_message", rest)))
    of_columns = details.get("exception_type") == "Binder" and _OF_COLUMNS.match(message) is not None
    return StatementError(message, _position(details, sql), _missing_table(details, message), of_columns=of_columns)


def _details(text: str) -> dict[str, Any] | None:
    try:
        details = json.loads(text)
    except ValueError:
        return None
    return details if isinstance(details, dict) else None


def _missing_table(details: dict[str, Any], message: str) -> str:
    """Return the name of the table that is not there, with its schema where that is missing too."""
    no_schema = _NO_SCHEMA.match(message)
    if no_schema:
        return no_schema[1]
    return str(details.get("name", "")) if details.get("type") == "Table" else ""


def _position(details: dict[str, Any], sql: str) -> int | None:
    """DuckDB counts bytes; a place in a text is counted in characters."""
    position = details.get("position")
    if position is None:
        return None
    return len(sql.encode()[: int(position)].decode(errors="ignore"))


def _caret_position(text: str, sql: str) -> int | None:
    match = _LINE.search(text)
    if not match:
        return None
    lines = sql.split("\n")
    number = int(match["line"])
    if number > len(lines):
        return None
    line_start = sum(len(line) + 1 for line in lines[: number - 1])
    shown = match["text"].removeprefix("...").removesuffix("...")
    column = len(match["caret"]) - len(f"LINE {number}: ") - (3 if match["text"].startswith("...") else 0)
    return line_start + max(0, lines[number - 1].find(shown)) + max(0, column)


def _without_excerpt(text: str) -> str:
    return _sentence(_LINE.split(text)[0].split("\n\nLINE ")[0])


def _sentence(message: str) -> str:
    message = re.sub(r"\s*Candidate functions:.*", "", message, flags=re.DOTALL).strip().removesuffix(".")
    message = re.sub(r"!?\n*Candidate bindings: (: )?", "; there are: ", message)
    message = re.sub(r"!?\s*Did you mean \"pg_.*?\"\?$", "", message)
    message = re.sub(r"(!\s*|\s*\n\s*)Did you mean:? ", "; did you mean ", message)
    message = re.sub(r"\s*\n\s*", " ", message)
    message = re.sub(r"^(Binder|Parser|Catalog|Invalid Input|Conversion|IO) Error: ", "", message)
    return message[:1].lower() + message[1:] if message[1:2].islower() else message


def is_being_made(error: Exception, path: Path) -> bool:
    """Tell whether a file is no database since another process has just made it, and writes its first bytes only now."""
    try:
        found = path.stat()
    except OSError:
        return False
    is_begun = found.st_size < _HEAD_BYTES and 0 <= time.time() - found.st_mtime < _MADE_SECONDS
    return is_begun and "not a valid DuckDB database file" in str(error)


_HEAD_BYTES = 3 * 4096
_MADE_SECONDS = 1.0


def open_error(error: Exception, path: Path) -> SqlflowError:
    """Return what stands in the way of opening the database file."""
    text = str(error)
    holder = _HOLDER.search(text)
    if holder:
        return busy(path, int(holder["pid"]), holder["program"])
    if "Could not set lock" in text:
        return BusyError(f"`{path}` is held by somebody else", hint="close it there: one process alone can write it")
    if "different configuration" in text:
        return BusyError(f"`{path}` is open in this process already, in another way", hint="close it first")
    if "not a valid DuckDB" in text:
        return TargetError(
            f"`{path}` is not a valid DuckDB database file", hint="give another `path`, or move the file away"
        )
    if "Permission denied" in text or "Read-only file system" in text:
        return TargetError(f"no permission to write `{path}`", hint="check the rights of the file and its folder")
    if "No such file or directory" in text:
        return TargetError(
            f"cannot open `{path}`: its folder does not exist", hint="make the folder, or give another `path`"
        )
    return TargetError(f"cannot open `{path}`: {_sentence(text.partition(': ')[2] or text)}")


def setting_error(error: Exception, name: str) -> TargetError:
    """Return what DuckDB has against one of a target's `settings`."""
    hint = "see `settings` of the target; `select * from duckdb_settings()` lists all that there are"
    return TargetError(f"the setting `{name}` is refused: {statement_error(error, '').message}", hint=hint)
