"""From the files of `unit_tests/` to unit tests: a file holds tests by name, each at its place."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from sqlflow.core.block import Block
from sqlflow.core.config import UnitTestConfig
from sqlflow.core.errors import Problem, ProjectError, did_you_mean
from sqlflow.core.names import TableName
from sqlflow.core.node import Node
from sqlflow.core.text import Place, SourceFile
from sqlflow.core.unit_test import Cell, CellKind, Given, QueriedRows, Rows, UnitTest, WrittenRows
from sqlflow.read import files
from sqlflow.read.blocks import Reading
from sqlflow.read.decode import decoded, unknown_key
from sqlflow.read.dialect import translated
from sqlflow.read.embedded import embedded
from sqlflow.read.sql import infer
from sqlflow.read.yaml import parse, plain_value

FOLDER = "unit_tests"
_FORMS = ("rows", "csv", "sql")


def unit_tests(
    source: SourceFile, root: Path, blocks: Mapping[TableName, Block], reading: Reading
) -> Iterator[UnitTest]:
    """Yield the tests of a file; the faults of others are added to the problems of `reading`."""
    try:
        document = parse(source)
    except ProjectError as error:
        reading.problems.extend(error.problems)
        return
    if document is None:
        return
    if document.kind != "mapping":
        message = "a file of unit tests is a mapping of their names to what they say"
        reading.problems.append(
            Problem(message, document.place, "begin with the name of a test: `refunds_are_left_out:`")
        )
        return
    for name, node in document.pairs:
        try:
            yield _unit_test(name, node, root, blocks, reading)
        except ProjectError as error:
            reading.problems.extend(error.problems)


def _unit_test(
    name: Node, node: Node, root: Path, blocks: Mapping[TableName, Block], reading: Reading
) -> UnitTest:  # fmt: skip
    problems: list[Problem] = []
    if node.kind != "mapping":
        hint = "it needs a `block`, what it is `given`, and what to `expect`"
        raise ProjectError(f"`{name.text}` must be a mapping of keys to values", node.place, hint)
    config = decoded(node, UnitTestConfig, problems, f"{name.text}.")
    if config is None or problems:
        raise ProjectError(problems)
    block = _noted(problems, lambda: _block(config.block, blocks))
    rows = _RowsReader(root, reading.at(blocks[block].config.target if block else None), problems)
    given = tuple(_given(config.given, rows, problems))
    expect = rows.of(config.expect, "expect")
    now = _noted(problems, lambda: _moment(config.now)) if config.now is not None else None
    if isinstance(expect, WrittenRows):
        problems += _gaps(expect)
    if problems or block is None or expect is None:
        raise ProjectError(problems)
    return UnitTest(name.text, block, given, expect, name.place, config.description, config.vars, now)


def _noted(problems: list[Problem], read: Any) -> Any:
    """Return what `read` gives; None with its faults added to `problems`."""
    try:
        return read()
    except ProjectError as error:
        problems.extend(error.problems)
        return None


def _block(node: Node, blocks: Mapping[TableName, Block]) -> TableName:
    """Return the block that a test names, with or without its schema."""
    if node.kind != "scalar" or node.is_null:
        raise ProjectError("`block` must be a block's name", node.place)
    wanted = TableName.parse(node.text)
    found = sorted(block for block in blocks if block == wanted or (not wanted.schema and block.name == wanted.name))
    if len(found) > 1:
        listed = " or ".join(f"`{block}`" for block in found)
        raise ProjectError(f"`{node.text}` could be {listed}", node.place, "write the schema before the name")
    if not found:
        known = [str(block) for block in blocks] + [block.name for block in blocks]
        hint = did_you_mean(node.text, known) or "`sqlflow list` shows all blocks"
        raise ProjectError(f"no such block: `{node.text}`", node.place, hint)
    if blocks[found[0]].code is None:
        raise ProjectError(
            f"`{found[0]}` is a seed, which makes its rows of nothing", node.place, "test a block that reads it"
        )
    return found[0]


def _given(node: Node | None, rows: "_RowsReader", problems: list[Problem]) -> Iterator[Given]:
    if node is None or node.is_null:
        return
    if node.kind != "mapping":
        hint = "write each input's name with its rows below it: `staging.stg_orders:`"
        problems.append(Problem("`given` must be a mapping of inputs to their rows", node.place, hint))
        return
    for key, value in node.pairs:
        found = rows.of(value, f"given.{key.text}")
        if found is not None:
            yield Given(TableName.parse(key.text), found, key.place)


def _moment(node: Node) -> datetime:
    """Return the moment that is written, in UTC where it names no zone."""
    try:
        value = plain_value(node) if node.kind == "scalar" else None
        value = datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        value = None
    if not isinstance(value, date):
        hint = "a date, or a date with a time: `2026-01-31 12:00`, in UTC unless it says a zone as `+01:00`"
        raise ProjectError(f"`now` must be a moment{f', not `{node.shown}`' if node.text else ''}", node.place, hint)
    moment = value if isinstance(value, datetime) else datetime(value.year, value.month, value.day)
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _gaps(expect: WrittenRows) -> Iterator[Problem]:
    """Yield what expected rows leave out that others have: a column is compared in all rows or in none."""
    for row in expect.rows:
        lacking = [name for (name, _), cell in zip(expect.columns, row, strict=True) if cell is None]
        if lacking:
            place = next((cell.place for cell in row if cell is not None), expect.place)
            hint = f"write `{lacking[0]}: null` if that is meant, or leave the column out of all rows"
            yield Problem(f"the row says nothing of `{lacking[0]}`, which others of `expect` have", place, hint)


class _RowsReader:
    """Reads rows in each of their forms; faults are added to `problems`."""

    def __init__(self, root: Path, reading: Reading, problems: list[Problem]) -> None:
        self.root = root
        self.reading = reading
        self.problems = problems

    def of(self, node: Node, path: str) -> Rows | None:
        """Return the rows that a node says: a list is rows, a mapping has the form for its one key."""
        return _noted(self.problems, lambda: self._rows(node, path))  # type: ignore[no-any-return]

    def _rows(self, node: Node, path: str) -> Rows:
        if node.kind == "list":
            return self._written(node, path)
        if node.kind != "mapping" or not node.pairs:
            hint = "a list of rows such as `- {id: 1}`, `[]` for none, or one of `csv: FILE` and `sql: QUERY`"
            raise ProjectError(f"`{path}` must be rows", node.place, hint)
        key, value = node.pairs[0]
        if key.text not in _FORMS:
            raise ProjectError(unknown_key(key, _FORMS, f"{path}."))
        if len(node.pairs) > 1:
            other = node.pairs[1][0]
            known = (
                f"`{key.text}` says the rows already" if other.text in _FORMS else f"unknown key `{path}.{other.text}`"
            )
            raise ProjectError(known, other.place, "give the rows in one form: `rows`, `csv` or `sql`")
        if key.text == "rows":
            if value.kind != "list":
                raise ProjectError(
                    f"`{path}.rows` must be a list", value.place, "begin each row with a dash: `- {id: 1}`"
                )
            return self._written(value, path)
        if value.kind != "scalar" or value.is_null:
            what = "a file, or the lines of one" if key.text == "csv" else "a query"
            raise ProjectError(f"`{path}.{key.text}` must be {what}", value.place)
        return self._queried(value) if key.text == "sql" else self._csv(value)

    def _written(self, node: Node, path: str) -> WrittenRows:
        columns: dict[str, Place] = {}
        rows: list[dict[str, Cell]] = []
        for item in node.items:
            if item.kind != "mapping":
                raise ProjectError(f"a row of `{path}` is a mapping of columns to values", item.place, "as `- {id: 1}`")
            row: dict[str, Cell] = {}
            for key, value in item.pairs:
                if key.text.lower() in row:
                    raise ProjectError(f"the row has `{key.text}` twice: columns have no case", key.place)
                row[key.text.lower()] = _cell(value)
                columns.setdefault(key.text.lower(), key.place)
            rows.append(row)
        return _table(columns, rows, node.place)

    def _csv(self, node: Node) -> WrittenRows:
        """Return the rows of a CSV file of the project, or of lines that stand in the test. An empty cell is NULL."""
        if "\n" in node.text:
            shift = node.source.text.count("\n", 0, node.offset) + (node.source.text[node.offset] in "|>")
            source = SourceFile(node.source.path, "\n" * shift + node.text)
        else:
            shift, source = 0, self._file(node)
        import csv

        lines = csv.reader(source.text.split("\n")[shift:], strict=True)
        try:
            found = [(shift + lines.line_num, line) for line in lines if line]
        except csv.Error as error:
            raise ProjectError(f"not valid CSV: {error}", Place(source.path, shift + lines.line_num)) from error
        if not found:
            raise ProjectError("the CSV has no line with the column names", node.place)
        names = [name.strip().lower() for name in found[0][1]]
        double = next((name for at, name in enumerate(names) if name in names[:at]), None)
        if double is not None or "" in names:
            message = f"duplicate column `{double}`" if double else "a column has no name"
            raise ProjectError(message, Place(source.path, found[0][0]))
        for number, line in found[1:]:
            if len(line) != len(names):
                message = f"the line has {len(line)} columns, the header has {len(names)}"
                raise ProjectError(message, Place(source.path, number))
        rows = [
            {name: _csv_cell(text, Place(source.path, number)) for name, text in zip(names, line, strict=True)}
            for number, line in found[1:]
        ]
        return _table(dict.fromkeys(names, Place(source.path, found[0][0])), rows, node.place)

    def _file(self, node: Node) -> SourceFile:
        if Path(node.text).is_absolute() or ".." in Path(node.text).parts:
            raise ProjectError(
                f"`{node.text}` is outside the project", node.place, "write it from the project's folder on"
            )
        if not (self.root / node.text).is_file():
            hint = f"the path begins in the project's folder: `{FOLDER}/data/orders.csv`"
            raise ProjectError(f"there is no file `{node.text}` in the project", node.place, hint)
        source = files.read(self.root, node.text)
        return SourceFile(source.path, source.text.replace("\r\n", "\n"))

    def _queried(self, node: Node) -> QueriedRows:
        engine, renderer = self.reading.engine, self.reading.renderer
        text, _ = renderer.render(embedded(node))
        text = translated(text, renderer.dialect, engine, node.place)
        found = infer(text, engine, node.place)
        for use in found.tables:
            place = text.place(use.start, use.end - use.start) or node.place
            hint = "write its rows out: `select 1 as id union all select 2`"
            raise ProjectError(f"the rows of a unit test are its own: this reads `{use.name}`", place, hint)
        return QueriedRows(text.slice(0, found.end), node.place)


def _table(columns: Mapping[str, Place], rows: list[dict[str, Cell]], place: Place) -> WrittenRows:
    return WrittenRows(
        tuple(columns.items()), tuple(tuple(row.get(column) for column in columns) for row in rows), place
    )


_KINDS: tuple[tuple[type, CellKind], ...] = (
    (bool, "boolean"), (int, "integer"), (float, "number"), (datetime, "timestamp"), (date, "date"),
)  # fmt: skip


def _cell(node: Node) -> Cell:
    if node.kind != "scalar":
        return Cell(json.dumps(_jsonable(node), ensure_ascii=False), "nested", node.place)
    value = plain_value(node)
    if value is None:
        return Cell("", "null", node.place)
    return Cell(node.text, next((kind for known, kind in _KINDS if isinstance(value, known)), "text"), node.place)


def _jsonable(node: Node) -> Any:
    if node.kind == "list":
        return [_jsonable(item) for item in node.items]
    if node.kind == "mapping":
        return {key.text: _jsonable(value) for key, value in node.pairs}
    value = plain_value(node)
    return node.text if isinstance(value, date) else value


def _csv_cell(text: str, place: Place) -> Cell:
    if not text:
        return Cell("", "null", place)
    try:
        cell = _cell(Node("scalar", SourceFile(place.path, text), 0, text))
    except ProjectError:
        return Cell(text, "text", place)
    return Cell(text, "text" if cell.kind == "null" else cell.kind, place)
