"""The rows that a unit test writes, as tables and as values of the engine."""

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation

from sqlflow.core.engine import Column, Session
from sqlflow.core.errors import BuildError, Problem, StatementError, did_you_mean
from sqlflow.core.names import TableName, literal, quoted
from sqlflow.core.text import MappedText, Place
from sqlflow.core.unit_test import Cell, CellKind, QueriedRows, Rows, WrittenRows
from sqlflow.run.differences import Row
from sqlflow.run.shapes import Shape

_SHOWN_AS: dict[CellKind, str] = {
    "boolean": "boolean", "integer": "bigint", "number": "double precision", "date": "date", "timestamp": "timestamp",
    "text": "text",
}  # fmt: skip
_FLOATS = ("double", "float", "real")
_TEXTS = ("varchar", "text", "char", "json", "string", "enum", "blob", "bytea")
_AT_MOST_LISTED = 20


def table_query(rows: Rows, shape: Shape, name: TableName, session: Session) -> MappedText:
    """Return the query that makes the rows of an input, with all its columns: those that the test leaves out are NULL.

    Raise BuildError, at its place, for a column that the input does not have and for a value that does not fit.
    """
    if isinstance(rows, QueriedRows):
        return _with_the_rest(rows.text, _columns(rows, session), shape, name, rows.place)
    _refuse_strangers([column for column, _ in rows.columns], shape, name, dict(rows.columns))
    if not rows.columns and not shape.columns:
        hint = "write a row, declare the columns with their types below `columns:`, or build it once"
        raise BuildError(f"the columns of `{name}` are not known, so that it cannot be empty", rows.place, hint)
    types = [shape.type_of(column) or _shown_type(rows, at, column) for at, (column, _) in enumerate(rows.columns)]
    values(rows, types, session)
    named = [Column(column, kind) for (column, _), kind in zip(rows.columns, types, strict=True)]
    if not rows.rows:
        listed = [f"cast(null as {column.type}) as {quoted(column.name)}" for column in _all(named, shape)]
        return MappedText.plain(f"select {', '.join(listed)} where 1 = 0")
    return _with_the_rest(MappedText.plain(_written(rows)), named, shape, name, rows.place)


def _columns(rows: QueriedRows, session: Session) -> tuple[Column, ...]:
    try:
        return session.columns(rows.text.text)
    except StatementError as error:
        place = rows.text.place(error.position) if error.position is not None else None
        raise BuildError(error.message, place or rows.place) from error


def _all(named: Sequence[Column], shape: Shape) -> list[Column]:
    """Return the columns of an input in its own order, and behind them those that the test alone knows."""
    own = {column.name.lower() for column in shape.columns}
    return [*shape.columns, *(column for column in named if column.name.lower() not in own)]


def _with_the_rest(
    query: MappedText, named: Sequence[Column], shape: Shape, name: TableName, place: Place
) -> MappedText:
    given = {column.name.lower(): column for column in named}
    _refuse_strangers(list(given), shape, name, dict.fromkeys(given, place))
    listed = []
    for column in _all(named, shape):
        own = given.get(column.name.lower())
        kind = column.type or "text"
        listed.append(f"cast({quoted(own.name) if own else 'null'} as {kind}) as {quoted(column.name)}")
    return f"select {', '.join(listed)} from (\n" + query + "\n) as given"


def _refuse_strangers(columns: Sequence[str], shape: Shape, name: TableName, places: "dict[str, Place]") -> None:
    known = [column.name.lower() for column in shape.columns]
    problems = [no_column(column, str(name), known, places[column]) for column in columns if column not in known]
    if shape.is_whole and problems:
        raise BuildError(problems)


def no_column(column: str, owner: str, known: Sequence[str], place: Place) -> Problem:
    """Return the problem of a column that a block or an input does not have."""
    listed = ", ".join(f"`{one}`" for one in known[:_AT_MOST_LISTED]) + (", …" if known[_AT_MOST_LISTED:] else "")
    return Problem(f"`{owner}` has no column `{column}`", place, did_you_mean(column, known) or f"it has {listed}")


def _shown_type(rows: WrittenRows, at: int, column: str) -> str:
    """Return the type that the values of a column look like; text where they look like several."""
    cells = [cell for row in rows.rows if (cell := row[at]) is not None and cell.kind != "null"]
    kinds = {cell.kind for cell in cells}
    if "nested" in kinds:
        place = next(cell.place for cell in cells if cell.kind == "nested")
        hint = f"declare its type below `columns:` of the input: `{column}: {{type: …}}`, or give the rows by `sql:`"
        raise BuildError(f"the type of `{column}` is not known, and a list or mapping does not show it", place, hint)
    if kinds == {"integer", "number"}:
        return _SHOWN_AS["number"]
    if kinds == {"date", "timestamp"}:
        return _SHOWN_AS["timestamp"]
    return _SHOWN_AS[next(iter(kinds))] if len(kinds) == 1 else _SHOWN_AS["text"]


def _written(rows: WrittenRows) -> str:
    lines = [f"({', '.join(_text(cell) for cell in row)})" for row in rows.rows]
    names = ", ".join(quoted(column) for column, _ in rows.columns)
    return f"select {names} from (values {', '.join(lines)}) as written ({names})"


def _text(cell: Cell | None) -> str:
    return "null" if cell is None or cell.kind == "null" else literal(cell.text)


def values(rows: WrittenRows, types: Sequence[str], session: Session) -> tuple[Row, ...]:
    """Return the rows as values of the given types, floats as they are and all else as the engine writes it.

    Raise BuildError for a value that does not fit its type, also where the engine would round it or cut it off.
    """
    if not rows.rows or not rows.columns:
        return tuple(() for _ in rows.rows)
    names = [f"c{at}" for at in range(len(types))]
    lines = [
        f"({number}, {', '.join(_text(cell) for cell in row)})" for number, row in enumerate(rows.rows)
    ]  # fmt: skip
    listed = ", ".join(comparable(f"cast({name} as {kind})", kind) for name, kind in zip(names, types, strict=True))
    query = f"select {listed} from (values {', '.join(lines)}) as written (n, {', '.join(names)}) order by n"
    try:
        found = session.rows(query).rows
    except StatementError as error:
        raise _misfit(rows, types, session, error) from error
    for row, made in zip(rows.rows, found, strict=True):
        for at, (cell, value) in enumerate(zip(row, made, strict=True)):
            if cell is not None and _is_changed(cell, value, types[at]):
                raise _does_not_fit(cell, rows.columns[at][0], types[at], f"it would become `{value}`")
    return found


def comparable(expression: str, kind: str) -> str:
    """Return what to select of a value so that it can be compared and shown: numbers with a fraction as they are, all else
    as text."""
    is_number = is_float(kind) or kind.lower().startswith(("decimal", "numeric"))
    return expression if is_number and not kind.endswith("]") else f"cast({expression} as text)"


def is_float(kind: str) -> bool:
    return kind.lower() in (*_FLOATS, "double precision")


def _misfit(rows: WrittenRows, types: Sequence[str], session: Session, error: StatementError) -> BuildError:
    """Return which value it was that the engine refused."""
    for row in rows.rows:
        for at, cell in enumerate(row):
            if cell is None or cell.kind == "null":
                continue
            try:
                session.rows(f"select cast({literal(cell.text)} as {types[at]})")
            except StatementError as refused:
                return _does_not_fit(cell, rows.columns[at][0], types[at], refused.message)
    return BuildError(error.message, rows.place)


def _does_not_fit(cell: Cell, column: str, kind: str, why: str) -> BuildError:
    message = f"`{cell.text[:80]}` does not fit the column `{column}`, which is {kind.lower()}"
    return BuildError(message, cell.place, why)


def _is_changed(cell: Cell, value: object, kind: str) -> bool:
    """Tell whether the engine took a value for another one, as 12.5 for the whole number 13."""
    if is_float(kind) or kind.lower().startswith(_TEXTS) or value is None:
        return False
    if cell.kind in ("integer", "number"):
        try:
            return Decimal(str(value)) != Decimal(cell.text)
        except InvalidOperation:
            return False
    return cell.kind == "timestamp" and kind.lower() == "date" and bool(cell.text[10:].strip("T 0:.Z"))
