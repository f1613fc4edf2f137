"""Postgres's errors as ours."""

import re
from typing import Any

from sqlflow.core.errors import LostError, SqlflowError, StatementError, TargetError

TRANSIENT = frozenset({"40001", "40P01", "55P03"})
"""Serialization failure, deadlock, and a lock that was not to be had in time: the same may succeed when tried again."""
_LOST = frozenset({"57P01", "57P02", "57P03", "57P05"})
_OF_COLUMNS = re.compile(
    r"42(703|702|804): |42883: operator does not exist|42P01: missing FROM-clause entry"
    r"|42601: each \w+ query must have the same number of columns"
)
"""What states and messages say that columns and types of what is read are the cause."""
_SYSTEM_COLUMNS = re.compile(r"\b(ctid|xmin|xmax|cmin|cmax|tableoid)\b")
"""Tables have them, and the queries that stand for them have not."""
_MISSING_TABLE = re.compile(r'relation "(?P<name>.+)" does not exist')


def statement_error(error: Exception, shift: int = 0) -> SqlflowError:
    """Return Postgres's error with its position as a character of the statement.

    `shift` is how many characters of ours stood before it.
    """
    diag = getattr(error, "diag", None)
    state: str = getattr(error, "sqlstate", None) or ""
    if diag is None or diag.message_primary is None:
        text = " ".join(str(error).split())
        return LostError(f"the connection to Postgres is lost: {text}") if _is_lost(error) else StatementError(text)
    if state in _LOST or state.startswith("08"):
        return LostError(f"the connection to Postgres is lost: {diag.message_primary}")
    missing = _MISSING_TABLE.search(diag.message_primary) if state == "42P01" else None
    position = _position(diag, shift)
    of_columns = _OF_COLUMNS.match(f"{state}: {diag.message_primary}") and not _SYSTEM_COLUMNS.search(
        diag.message_primary
    )
    return StatementError(
        _message(diag), position, missing["name"] if missing else "", state in TRANSIENT, bool(of_columns)
    )


def _is_lost(error: Exception) -> bool:
    import psycopg

    return isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError))


def _position(diag: Any, shift: int) -> int | None:
    """Postgres counts characters from 1."""
    return max(0, int(diag.statement_position) - 1 - shift) if diag.statement_position else None


def _message(diag: Any) -> str:
    if diag.sqlstate == "22021" and "0x00" in diag.message_primary:
        return "a text holds a NUL character, which Postgres cannot store"
    if diag.sqlstate == "54011":
        return f"{_sentence(diag.message_primary)}: a table of Postgres has at most 1600 columns"
    parts = [diag.message_primary]
    if diag.message_detail and diag.sqlstate and diag.sqlstate[:2] in ("23", "2B", "22", "40"):
        parts.append(diag.message_detail)
    elif diag.message_hint and diag.message_hint.startswith("Perhaps"):
        parts.append(diag.message_hint)
    return "; ".join(_sentence(part) for part in parts)


def _sentence(text: str) -> str:
    text = re.sub(r"\s*\n\s*", ", ", text.strip()).removesuffix(".")
    return text[:1].lower() + text[1:] if text[1:2].islower() else text


def open_error(error: Exception, place: str) -> TargetError:
    """Return what stands in the way of a connection; `place` names the server and never a password."""
    text = " ".join(str(error).split())
    hint = "check the target's `url`, and that the server runs"
    if "password authentication failed" in text or "no password supplied" in text:
        hint = "check the user and the password of the target's `url`"
    if "does not exist" in text and "database" in text:
        hint = "make the database with `createdb`, or give another one in the target's `url`"
    message = re.sub(r"^connection failed: |^connection is bad: ", "", text)
    return TargetError(f"cannot connect to {place}: {message}", hint=hint)
