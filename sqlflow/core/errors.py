"""Every fault that sqlflow tells of.

    SqlflowError               5  a fault of ours, or a state that cannot be used
    ├─ ProjectError            2  the project is wrong; nothing ran
    ├─ UsageError              2  the call is wrong; nothing ran
    ├─ StatementError          1  the engine refused a statement
    ├─ BuildError              1  a block or an assertion failed
    ├─ BusyError               3  somebody else holds the lock or the file
    ├─ TargetError             4  the surroundings failed: target, disk, permission
    │  └─ LostError            4  the connection broke while it was used
    ├─ StateError              5  the state in the target cannot be used
    └─ Cancelled             130  stopped by a signal (143 for SIGTERM)

The number is the process's exit code.
"""

import re
from collections.abc import Iterable, Sequence

from msgspec import Struct
from msgspec.structs import force_setattr

from sqlflow.core.secrets import masked
from sqlflow.core.text import Place

PROBLEMS_SHOWN = 50
_MESSAGE_CHARACTERS = 8192
_LINE_CHARACTERS = 160
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")


class Problem(Struct, frozen=True):
    """One fault: what is wrong, where, and what to do next."""

    message: str
    place: Place | None = None
    hint: str = ""

    def __post_init__(self) -> None:
        force_setattr(self, "message", masked(self.message))
        force_setattr(self, "hint", masked(self.hint))

    def __str__(self) -> str:
        head = f"{self.place}: {self.message}" if self.place else self.message
        lines = [printable(head[:_MESSAGE_CHARACTERS])]
        if self.place and self.place.text.strip():
            lines += _excerpt(self.place)
        if self.hint:
            lines.append(f"  hint: {printable(self.hint)}")
        return "\n".join(lines)


def _excerpt(place: Place) -> list[str]:
    skipped = max(0, place.column - 1 - _LINE_CHARACTERS // 2)
    text = masked(place.text)
    shown = text[skipped : skipped + _LINE_CHARACTERS]
    number = str(place.line)
    lines = [f"    {number} | {printable(shown)}"]
    if place.column:
        before = printable(text[skipped : place.column - 1])
        room = max(1, len(shown) - (place.column - 1 - skipped))
        marks = "^" * max(1, min(place.length, room))
        indent = "".join("\t" if character == "\t" else " " for character in before)
        lines.append(f"    {' ' * len(number)} | {indent}{marks}")
    return lines


def printable(text: str) -> str:
    """Return `text` with control characters written as `\\x1b` or `\\u202e`, so that no terminal obeys them."""
    return _UNPRINTABLE.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    code = ord(match.group())
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"


class SqlflowError(Exception):
    """A fault, told as one or more problems."""

    exit_code = 5

    def __init__(self, problems: "Problem | str | Iterable[Problem]", place: Place | None = None, hint: str = ""):
        if isinstance(problems, str):
            problems = Problem(problems, place, hint)
        self.problems: tuple[Problem, ...] = (problems,) if isinstance(problems, Problem) else tuple(problems)
        super().__init__(self.problems)

    def __str__(self) -> str:
        shown = [str(problem) for problem in self.problems[:PROBLEMS_SHOWN]]
        left = len(self.problems) - PROBLEMS_SHOWN
        return "\n".join(shown + ([f"… and {left} more"] if left > 0 else []))


class ProjectError(SqlflowError):
    exit_code = 2


class UsageError(SqlflowError):
    exit_code = 2


class StatementError(SqlflowError):
    """The engine refused a statement.

    `position` counts characters of the statement from 0, or is None where the engine names no place. `transient` says
    that the same may succeed when it is tried again, as after a deadlock; `of_columns` that the columns and types of what
    the statement reads are the cause, and nothing else could be.
    """

    exit_code = 1

    def __init__(
        self, message: str, position: int | None = None, missing_table: str = "", transient: bool = False,
        of_columns: bool = False, hint: str = "",
    ) -> None:  # fmt: skip
        super().__init__(message, hint=hint)
        self.message = self.problems[0].message
        self.hint = self.problems[0].hint
        self.position = position
        self.missing_table = missing_table
        self.transient = transient
        self.of_columns = of_columns


class BuildError(SqlflowError):
    exit_code = 1


class BusyError(SqlflowError):
    exit_code = 3


class TargetError(SqlflowError):
    exit_code = 4


class LostError(TargetError):
    """The connection broke while it was used: what was not committed may be tried again on a new one."""


class StateError(SqlflowError):
    exit_code = 5


class Cancelled(SqlflowError):
    exit_code = 130

    def __init__(self, exit_code: int = 130):
        super().__init__("cancelled: nothing was published")
        self.exit_code = exit_code


def nearest(word: str, candidates: Iterable[str]) -> str:
    """Return the candidate most like `word`, or an empty text where none is close."""
    known: Sequence[str] = sorted(set(candidates))
    from difflib import get_close_matches  # only errors need it

    matches = get_close_matches(word.lower(), known, n=1, cutoff=0.6)
    return matches[0] if matches else ""


def did_you_mean(word: str, candidates: Iterable[str]) -> str:
    """Return the hint that names the candidate most like `word`, or an empty text."""
    match = nearest(word, candidates)
    return f"did you mean `{match}`?" if match else ""
