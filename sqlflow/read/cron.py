"""What is wrong with a cron expression: five fields, each a list of numbers, names, ranges and steps.

What passes here is read by every cron alike; seconds, years, `L`, `#`, `?`, `R` and `H` are not among it.
"""

import re
from collections.abc import Iterator

from msgspec import Struct

from sqlflow.core.errors import ProjectError
from sqlflow.core.node import Node
from sqlflow.core.text import Place

BYTES_AT_MOST = 256
WORDS = {
    "@hourly": "0 * * * *", "@daily": "0 0 * * *", "@weekly": "0 0 * * 0", "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
}  # fmt: skip
_LONGEST = {
    "jan": 31, "feb": 29, "mar": 31, "apr": 30, "may": 31, "jun": 30,
    "jul": 31, "aug": 31, "sep": 30, "oct": 31, "nov": 30, "dec": 31,
}  # fmt: skip
_MONTHS = {name: number for number, name in enumerate(_LONGEST, 1)}
_WEEKDAYS = {name: number for number, name in enumerate(("sun", "mon", "tue", "wed", "thu", "fri", "sat"))}
_PART = re.compile(r"(?:(?P<all>\*)|(?P<low>\w+)(?:-(?P<high>\w+))?)(?:/(?P<step>[0-9]+))?", re.ASCII)


class _Field(Struct, frozen=True):
    name: str
    low: int
    high: int
    names: dict[str, int]


_FIELDS = (
    _Field("minute", 0, 59, {}), _Field("hour", 0, 23, {}), _Field("day of the month", 1, 31, {}),
    _Field("month", 1, 12, _MONTHS), _Field("day of the week", 0, 7, _WEEKDAYS),
)  # fmt: skip


def cron(node: Node, path: str) -> str:
    """Return the five fields that are written; a word such as `@daily` stands for its fields.

    Raise ProjectError, at the field, for what is no cron expression and for one that never fires.
    """
    text = node.text
    if len(text.encode()) > BYTES_AT_MOST:
        raise ProjectError(f"`{path}` is too long: at most {BYTES_AT_MOST} characters", node.place)
    if text.strip().startswith("@"):
        return _word(text.strip(), node, path)
    fields = list(re.finditer(r"\S+", text))
    if len(fields) != len(_FIELDS):
        hint = "such as `0 5 * * *` for five o'clock each day"
        message = f"`{path}` needs five fields (minute, hour, day, month, weekday), not {len(fields)}"
        raise ProjectError(message, node.place, hint)
    values = [
        _values(match.group(), field, path, _place(node, match)) for match, field in zip(fields, _FIELDS, strict=True)
    ]
    if fields[4].group() == "*" and all(
        min(values[2]) > days for month, days in enumerate(_LONGEST.values(), 1) if month in values[3]
    ):
        message = f"`{path}` never fires: no such month has a day {min(values[2])}"
        raise ProjectError(message, _place(node, fields[2]))
    return " ".join(match.group() for match in fields)


def _word(text: str, node: Node, path: str) -> str:
    if text not in WORDS:
        listed = ", ".join(f"`{word}`" for word in WORDS)
        raise ProjectError(f"`{path}`: no such word as `{text[:20]}`", node.place, f"known: {listed}")
    return WORDS[text]


def _place(node: Node, match: re.Match[str]) -> Place:
    """Return the place of a part of the value: exact where the value stands in the file as it is read."""
    start = node.offset + (1 if node.quoted else 0)
    if not node.source.text.startswith(node.text, start):
        return node.place
    return node.source.place(start + match.start(), len(match.group()))


def _values(text: str, field: _Field, path: str, place: Place) -> frozenset[int]:
    return frozenset(value for part in text.split(",") for value in _part(part, field, path, place))


def _part(text: str, field: _Field, path: str, place: Place) -> Iterator[int]:
    match = _PART.fullmatch(text)
    if match is None:
        hint = "write numbers, ranges such as `1-5`, steps such as `*/15`, and lists of them with `,`"
        raise ProjectError(f"`{path}`: `{text}` is no {field.name}", place, hint)
    if match["all"]:
        low, high = field.low, 6 if field.names is _WEEKDAYS else field.high
    else:
        low = _number(match["low"], field, path, place)
        high = _number(match["high"], field, path, place) if match["high"] else low
    step = int(match["step"] or 1)
    if match["step"] and not match["all"] and not match["high"]:
        raise ProjectError(f"`{path}`: `{text}` has a step but no range", place, f"write `{low}-{field.high}/{step}`")
    if high < low or not 1 <= step <= field.high:
        what = f"the range `{text}` is empty" if high < low else f"the step of `{text}` is not from 1 to {field.high}"
        raise ProjectError(f"`{path}`: {what}", place)
    yield from range(low, high + 1, step)


def _number(text: str, field: _Field, path: str, place: Place) -> int:
    number = field.names.get(text.lower())
    if number is None and text.isdecimal() and len(text) <= 2 and field.low <= int(text) <= field.high:
        number = int(text)
    if number is None:
        names = f", or {'/'.join(field.names)}" if field.names else ""
        raise ProjectError(f"`{path}`: `{text}` is no {field.name}: {field.low} to {field.high}{names}", place)
    return number
