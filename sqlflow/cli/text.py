"""Rows and numbers as text for people."""

import json
import unicodedata
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from sqlflow.core.errors import printable

_CELL_WIDTH = 40


def table(columns: Sequence[str], rows: Sequence[Sequence[Any]], width: int = 0) -> str:
    """Return rows as an aligned table. Columns that do not fit into `width` characters are counted at the end."""
    cells = [[cell(value) for value in row] for row in rows]
    widths = [max([_width(name), *(_width(row[index]) for row in cells)]) for index, name in enumerate(columns)]
    shown = _fitting(widths, width)
    numeric = [
        bool(rows) and all(isinstance(row[index], (int, float, Decimal)) or row[index] is None for row in rows)
        for index in range(len(columns))
    ]
    lines = [
        _line([printable(name) for name in columns[:shown]], widths, numeric),
        "  ".join("─" * widths[index] for index in range(shown)),
    ]
    lines += [_line(row[:shown], widths, numeric) for row in cells]
    if shown < len(columns):
        hidden = ", ".join(columns[shown:])
        lines.append(f"… and {len(columns) - shown} more columns: {hidden}"[: width or None])
    return "\n".join(line.rstrip() for line in lines)


def _fitting(widths: list[int], width: int) -> int:
    total = 0
    for index, column in enumerate(widths):
        total += column + (2 if index else 0)
        if width and index and total > width:
            return index
    return len(widths)


def _line(row: Sequence[str], widths: Sequence[int], numeric: Sequence[bool]) -> str:
    return "  ".join(
        " " * (widths[index] - _width(text)) + text if numeric[index] else text + " " * (widths[index] - _width(text))
        for index, text in enumerate(row)
    )


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def cell(value: Any) -> str:
    """Return one value on one line: NULL apart from text, control characters written out, long text cut."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, dict, tuple)):
        value = json.dumps(value, default=str, ensure_ascii=False)
    text = printable(str(value).replace("\n", "\\n").replace("\t", "\\t"))
    return text if len(text) <= _CELL_WIDTH else text[: _CELL_WIDTH - 1] + "…"


def seconds(number: float) -> str:
    """Return a time for people.

    >>> seconds(0.123), seconds(75), seconds(3723)
    ('0.12 s', '1 m 15 s', '1 h 02 m')
    """
    if number < 60:
        return f"{number:.2f} s"
    minutes, rest = divmod(int(number), 60)
    if minutes < 60:
        return f"{minutes} m {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} m"
