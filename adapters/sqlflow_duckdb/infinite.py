"""Infinite times in rows that are held in memory: Python has none, and DuckDB gives the last or the first day that it has."""

from collections.abc import Callable
from datetime import date, datetime
from typing import Any

import duckdb

Values = list[tuple[Any, ...]]
_KINDS = ("DATE", "TIMESTAMP")
_ENDS = frozenset({date.min, date.max, datetime.min, datetime.max})


def told(found: Values, columns: list[tuple[Any, ...]], sql: str, run: Callable[[str], Values]) -> Values:
    """Return rows whose times at Python's ends are text, as DuckDB writes them, infinity among them; asked for once more if need be.

    `columns` is the cursor's description of what was `found` for `sql`.
    """
    times = [number for number, column in enumerate(columns) if str(column[1]).startswith(_KINDS)]
    ends = {number for number in times if any(row[number] in _ENDS for row in found)}
    if not ends:
        return found
    names = [f"c{number}" for number in range(len(columns))]
    selected = ", ".join(f"cast({name} as varchar)" if number in ends else name for number, name in enumerate(names))
    try:
        return run(f"select {selected} from (\n{sql}\n) as q ({', '.join(names)})")
    except duckdb.Error:  # no query: `show`, `describe` and the like have no infinite times
        return found
