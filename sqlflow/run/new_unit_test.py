"""Writes a unit test: from rows that the target has, and what the block makes of them."""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from sqlflow.core.block import Block
from sqlflow.core.engine import Session
from sqlflow.core.errors import StatementError, UsageError
from sqlflow.core.names import TableName, quoted
from sqlflow.core.text import Place
from sqlflow.core.unit_test import Cell, Given, UnitTest, WrittenRows
from sqlflow.plan.graph import Graph
from sqlflow.plan.unit_tests import inputs_of
from sqlflow.read.unit_tests import FOLDER
from sqlflow.run.unit_tests import Made, UnitTests

NAME = "rows_as_they_are"
_PLACE = Place("unit_tests")
_PLAIN = re.compile(r"[A-Za-z]([\w./ +-]*[\w.])?", re.ASCII)
_WORDS = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
_DATES = re.compile(r"\d{4}-\d\d-\d\d( \d\d:\d\d:\d\d(\.\d+)?)?")
_NUMBERS = re.compile(r"(?i)(u?(tiny|small|big|huge)?int(eger)?|decimal|numeric|double|float|real)\b")


def path_of(block: TableName) -> str:
    """Return the file that a test of a block is written to."""
    return f"{FOLDER}/{block.schema}.{block.name}.yml"


def sampled(
    graph: Graph, block: Block, relations: Mapping[TableName, TableName], rows: int, session: Session
) -> UnitTest:
    """Return a test of a block with a few rows of each input, which expects nothing yet.

    Raise UsageError for a block that has such a test or cannot have one, and for inputs without rows to be had.
    """
    if block.code is None:
        raise UsageError(
            f"`{block.name}` is a seed, which makes its rows of nothing", hint="test a block that reads it"
        )
    if (graph.project.root / path_of(block.name)).exists():
        raise UsageError(
            f"`{path_of(block.name)}` is there already", hint="rename it, or write the test beside those in it"
        )
    found = inputs_of(graph, block.name)
    wanted = [name for name, kind in found.items() if kind in ("block", "source")]
    given = tuple(
        Given(name, _sample(_relation(graph, name, relations), rows, session, name), _PLACE) for name in sorted(wanted)
    )
    now = datetime.now(UTC).replace(microsecond=0) if _asks_the_time(graph, block, found) else None
    return UnitTest(NAME, block.name, given, WrittenRows((), (), _PLACE), _PLACE, now=now)


def _asks_the_time(graph: Graph, block: Block, inputs: Mapping[TableName, str]) -> bool:
    """Tell whether what a block makes depends on the time of the test, which is then told. A function takes none."""
    ephemeral = (graph.project.blocks[name] for name, kind in inputs.items() if kind == "ephemeral")
    is_volatile = any(one.query is not None and one.query.volatile for one in (block, *ephemeral))
    return block.function is None and (block.is_snapshot or block.is_ranged or is_volatile)


def _relation(graph: Graph, name: TableName, relations: Mapping[TableName, TableName]) -> str:
    if name in relations:
        return relations[name].sql
    if name in graph.project.blocks:
        raise UsageError(f"`{name}` is an input that has never been built", hint=f"run `sqlflow build {name}`")
    source = graph.project.sources.get(name)
    if source is None or not source.files:
        return name.sql
    query = graph.project.target.engine.file_query(str(graph.project.root.resolve() / source.files), source.options)
    if query is None:
        raise UsageError(f"`{name}` is read from files", hint=f"write its rows by hand, in `{path_of(name)}`")
    return f"({query}) as source"


def _sample(relation: str, rows: int, session: Session, name: TableName) -> WrittenRows:
    try:
        columns = session.columns(f"select * from {relation}")
        listed = ", ".join(f"cast({quoted(column.name)} as text)" for column in columns)
        found = session.rows(f"select {listed} from {relation} limit {rows}").rows
    except StatementError as error:
        raise UsageError(f"no rows can be had of `{name}`: {error.message}") from error
    cells = tuple(
        tuple(
            Cell(value or "", "null" if value is None else "number" if _NUMBERS.match(column.type) else "text", _PLACE)
            for value, column in zip(row, columns, strict=True)
        )
        for row in found
    )
    return WrittenRows(tuple((column.name.lower(), _PLACE) for column in columns), cells, _PLACE)


def write_new(test: UnitTest, root: Path, tests_now: Callable[[], UnitTests]) -> str:
    """Write the test to a file of its own, with what the block makes of its rows, and return the file's path.

    `tests_now` runs the tests of the project as it is then. Nothing is left of a test that cannot be run.
    """
    path = path_of(test.block)
    file = root / path
    file.parent.mkdir(exist_ok=True)
    file.write_text(_written(test, Made((), ())))
    try:
        with closing(tests_now()) as tests:
            own = next(one for one in tests.graph.project.unit_tests if one.key == test.key and one.place.path == path)
            file.write_text(_written(test, tests.made_alone(own)))
    except BaseException:
        file.unlink()
        raise
    return path


def _written(test: UnitTest, made: Made) -> str:
    lines = [f"{test.name}:", f"  block: {test.block}"]
    lines += [f"  now: {test.now:%Y-%m-%d %H:%M:%S}"] if test.now else []
    lines += ["  given:"] if test.given else []
    for given in test.given:
        assert isinstance(given.rows, WrittenRows)
        names = [name for name, _ in given.rows.columns]
        lines += _listed(f"    {given.name}:", names, [[_of_cell(cell) for cell in row] for row in given.rows.rows])
    are_numbers = [_NUMBERS.match(column.type) is not None for column in made.columns]
    rows = [[_scalar(value, plain) for value, plain in zip(row, are_numbers, strict=True)] for row in made.rows]
    lines += _listed("  expect:", [column.name.lower() for column in made.columns], rows)
    return "".join(f"{line}\n" for line in lines)


def _of_cell(cell: Cell | None) -> str:
    return _scalar(
        None if cell is None or cell.kind == "null" else cell.text, cell is not None and cell.kind == "number"
    )


def _listed(head: str, names: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    if not rows:
        yield f"{head} []"
        return
    yield head
    indent = " " * (len(head) - len(head.lstrip()) + 2)
    for row in rows:
        yield f"{indent}- {{{', '.join(f'{_scalar(name)}: {text}' for name, text in zip(names, row, strict=True))}}}"


def _scalar(value: object, is_number: bool = False) -> str:
    """Return a value as YAML: numbers, dates and plain words as they are, all else in quotes."""
    if value is None:
        return "null"
    text = str(value)
    is_plain = _PLAIN.fullmatch(text) and text.lower() not in _WORDS
    if is_number or is_plain or _DATES.fullmatch(text) or text in ("true", "false"):
        return text
    if "\\" in text or not text.isprintable():
        return json.dumps(text, ensure_ascii=False)
    return "'" + text.replace("'", "''") + "'"
