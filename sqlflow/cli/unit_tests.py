"""Unit tests that failed, as text for people: row by row and column by column what is not as expected."""

from collections.abc import Iterable, Iterator
from typing import Any

import click

from sqlflow.cli.text import cell, table
from sqlflow.core.errors import printable
from sqlflow.core.words import count
from sqlflow.run.differences import Difference, is_equal
from sqlflow.run.report import UnitTestResult

_ROWS_SHOWN = 10
_CELL_WIDTH = 40
_VALUE_WIDTH = 400
_ARROW = " → "
_LEGENDS = (("≠", "expected → result"), ("-", "expected and not there"), ("+", "there and not expected"))
_COLOURS = {"≠": "yellow", "-": "red", "+": "green"}


def unit_test_texts(results: Iterable[UnitTestResult]) -> Iterator[str]:
    """Yield what to say of each test that failed or was skipped."""
    for result in results:
        name = f"{result.block}: {result.test}"
        if result.status == "skipped":
            yield f"- {name} skipped: {result.problems[0].message}"
        elif result.problems:
            failed = click.style("✗", fg="red")
            yield f"{failed} {name} could not be run\n" + "\n".join(map(str, result.problems))
        elif result.status == "failed":
            yield "\n".join(_failed(result, name))


def _failed(result: UnitTestResult, name: str) -> Iterator[str]:
    differing = f"{count(len(result.differences), 'row')} not as expected"
    yield f"{click.style('✗', fg='red')} {click.style(name, bold=True)}: {differing}"
    if result.place is not None:
        yield f"  {result.place}"
    if result.description:
        yield f"  {result.description}"
    shown = result.differences[:_ROWS_SHOWN]
    import shutil

    width = shutil.get_terminal_size((100, 24)).columns - 4
    rows = [(_mark(one), *(_cell(one, at) for at in range(len(result.columns)))) for one in shown]
    lines = table(["", *result.columns], rows, width).split("\n")
    marks = ["", "", *(row[0] for row in rows)]
    for line, mark in zip(lines, marks, strict=False):
        yield "    " + (click.style(line, fg=_COLOURS[mark]) if mark else line)
    yield from (f"    {line}" for line in lines[len(marks) :])
    if len(result.differences) > len(shown):
        yield f"    … {count(len(result.differences) - len(shown), 'more row')}"
    yield from (f"    {line}" for one in shown for line in _long(one, result.columns))
    yield "    " + " · ".join(f"{mark} {legend}" for mark, legend in _LEGENDS if mark in marks)


def _mark(difference: Difference) -> str:
    return "+" if difference.expected is None else "-" if difference.result is None else "≠"


def _cell(difference: Difference, at: int) -> Any:
    expected, result = difference.expected, difference.result
    if expected is None or result is None:
        return cell((expected or result or ())[at])
    if is_equal(expected[at], result[at]):
        return cell(expected[at])
    return _both(expected[at], result[at])


def _both(expected: Any, result: Any) -> str:
    texts = [
        cell(value) if value is None or not isinstance(value, str) else _visible(value) for value in (expected, result)
    ]
    return _ARROW.join(texts)


def _visible(text: str) -> str:
    """Return a text so that blanks at its ends, and an empty one, can be seen."""
    shown = printable(text.replace("\n", "\\n").replace("\t", "\\t"))
    return f"'{shown}'" if shown != shown.strip() or not shown or shown == "NULL" else shown


def _long(difference: Difference, columns: tuple[str, ...]) -> Iterator[str]:
    """Yield the values of cells that are too long for the table, one below the other."""
    expected, result = difference.expected, difference.result
    if expected is None or result is None:
        return
    for column, mine, yours in zip(columns, expected, result, strict=True):
        if not is_equal(mine, yours) and len(_both(mine, yours)) > _CELL_WIDTH:
            yield f"{column}, expected: {_whole(mine)}"
            yield f"{' ' * len(column)}    result: {_whole(yours)}"


def _whole(value: Any) -> str:
    if value is None:
        return "NULL"
    text = printable(str(value))
    return f"'{text}'" if len(text) <= _VALUE_WIDTH else f"'{text[:_VALUE_WIDTH]}…'"
