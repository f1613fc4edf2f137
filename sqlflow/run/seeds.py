"""A seed's file as a stream of Arrow batches, types told by the whole file and never by a sample.

DuckDB is the reader for every engine, so that a seed has the same types everywhere.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sqlflow.core.block import Block
from sqlflow.core.errors import BuildError, Problem
from sqlflow.core.names import literal, quoted
from sqlflow.core.text import Place

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

BYTES_AT_MOST = 10 << 30
COLUMNS_AT_MOST = 1600
"""As many as a table of Postgres has; reading more takes DuckDB minutes."""
_CSV_LINE = re.compile(r"Line: (\d+)")
_EXPECTED = re.compile(r"Expected Number of Columns: (\d+) Found: (\d+)")
_CONVERSION = re.compile(r'Error when converting column "([^"]*)"\. (.*)')
_TYPES = (
    ("boolean", r"true|false|TRUE|FALSE|True|False"),
    ("bigint", r"-?(0|[1-9][0-9]{0,17})"),
    ("decimal(38, 0)", r"-?[1-9][0-9]{0,37}"),
    ("double", r"-?(0|[1-9][0-9]{0,14})(\.[0-9]+)?([eE][-+]?[0-9]{1,3})?"),
    ("date", r"[0-9]{4}-[0-9]{2}-[0-9]{2}"),
    ("timestamp", r"[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?"),
)
"""What all values of a CSV column must look like to be read as a type; else they are text. `01234` is text."""


@contextmanager
def batches(block: Block, root: Path) -> Iterator["pa.RecordBatchReader"]:
    """Yield the seed's rows. Raise BuildError, with the line where there is one, for a file that is not as it should be."""
    import duckdb

    path = root / block.source.path
    _check_file(path, block.source.path)
    connection = duckdb.connect(":memory:", config={"python_enable_replacements": "false"})
    try:
        connection.execute("set TimeZone = 'UTC'")
        yield connection.sql(_query(connection, path, block)).to_arrow_reader()
    except duckdb.Error as error:
        raise _seed_error(str(error), block) from error
    finally:
        connection.close()


def _check_file(path: Path, shown: str) -> None:
    size = path.stat().st_size
    if size == 0:
        raise BuildError("the seed is empty", Place(shown), "it needs a line with the column names")
    if size > BYTES_AT_MOST:
        raise BuildError(f"the seed is larger than {BYTES_AT_MOST >> 30} GiB", Place(shown), "declare it as a source")
    if path.suffix != ".parquet":
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                _check_line(line, Place(shown, number))
    if path.suffix == ".json":
        _check_array(path, shown)


def _check_array(path: Path, shown: str) -> None:
    """Refuse an array that is not closed: DuckDB would read what is there of it, and say nothing."""
    with path.open("rb") as file:
        is_array = file.read(4096).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"[")
        file.seek(max(0, path.stat().st_size - 4096))
        if is_array and not file.read().rstrip().endswith(b"]"):
            raise BuildError("the JSON array is not closed: the file ends too early", Place(shown))


def _check_line(line: bytes, place: Place) -> None:
    if b"\x00" in line:
        raise BuildError("the line holds a NUL byte", place)
    try:
        line.decode()
    except UnicodeDecodeError as error:
        message = f"not UTF-8: byte {error.start + 1} of the line is 0x{line[error.start]:02x}"
        raise BuildError(message, place, "save the file as UTF-8") from error


def _query(connection: "duckdb.DuckDBPyConnection", path: Path, block: Block) -> str:
    declared = {name.lower(): column.type for name, column in block.config.columns.items() if column.type}
    if path.suffix == ".csv":
        names = _header(path, block)
        _check_width(names, block)
        as_text = _csv_reader(path, dict.fromkeys(names, "varchar"))
        types = _inferred(connection, as_text, [name for name in names if name.lower() not in declared])
        reader = _csv_reader(path, {name: declared.get(name.lower()) or types[name] or "varchar" for name in names})
        casts: dict[str, str] = {}
    else:
        function = "read_parquet" if path.suffix == ".parquet" else "read_json"
        reader = f"{function}({literal(str(path))})"
        names = _names(connection, reader)
        _check_width(names, block)
        casts = declared
    _check_declared(declared, names, block)
    selected = (_cast(name, casts.get(name.lower(), "")) for name in names)
    return f"select {', '.join(selected)} from {reader}"


def _check_width(names: list[str], block: Block) -> None:
    if len(names) > COLUMNS_AT_MOST:
        message = f"the seed has {len(names):,} columns: at most {COLUMNS_AT_MOST:,}"
        raise BuildError(message, Place(block.source.path, 1), "declare it as a source")


def _csv_reader(path: Path, types: Mapping[str, str]) -> str:
    """Return the reader of a CSV file that guesses nothing: its errors name the line, also where a type does not fit."""
    columns = ", ".join(f"{literal(name)}: {literal(kind)}" for name, kind in types.items())
    return (
        f"read_csv({literal(str(path))}, header = true, delim = ',', quote = '\"', escape = '\"',"
        f" columns = {{{columns}}}, auto_detect = false, strict_mode = true, null_padding = false)"
    )


def _names(connection: "duckdb.DuckDBPyConnection", reader: str) -> list[str]:
    return [name for name, *_ in connection.execute(f"describe select * from {reader}").fetchall()]


def _header(path: Path, block: Block) -> list[str]:
    """Return the names of the first line, so that DuckDB guesses nothing: a guess may take the first row for the header.

    Refuse doubled names, which DuckDB would number in silence.
    """
    import csv

    with path.open(encoding="utf-8-sig", newline="") as file:
        try:
            first = next(csv.reader(file), [])
        except csv.Error as error:
            raise BuildError(f"the column names cannot be read: {error}", Place(block.source.path, 1)) from error
    written = [name.strip() or f"column{index}" for index, name in enumerate(first)]
    seen: set[str] = set()
    for name in written:
        if name.lower() in seen:
            raise BuildError(f"duplicate column `{name}`", Place(block.source.path, 1))
        seen.add(name.lower())
    if not written:
        raise BuildError("the first line must hold the column names", Place(block.source.path, 1))
    return written


def _cast(name: str, kind: str) -> str:
    return f"cast({quoted(name)} as {kind}) as {quoted(name)}" if kind else quoted(name)


def _inferred(connection: "duckdb.DuckDBPyConnection", reader: str, names: list[str]) -> dict[str, str]:
    """Return the first type of each column that all its values look like; a column without values is text."""
    if not names:
        return {}
    tests = [
        f"coalesce(bool_and(regexp_full_match({quoted(name)}, {literal(pattern)}){_possible(name, kind)}), false)"
        for name in names
        for kind, pattern in _TYPES
    ]
    (row,) = connection.execute(f"select {', '.join(tests)} from {reader}").fetchall()
    found: dict[str, str] = {}
    for index, name in enumerate(names):
        answers = row[index * len(_TYPES) : (index + 1) * len(_TYPES)]
        found[name] = next((kind for (kind, _), fits in zip(_TYPES, answers, strict=True) if fits), "")
    return found


def _possible(name: str, kind: str) -> str:
    """Return the further condition that a date or time is a possible one."""
    return f" and try_cast({quoted(name)} as {kind}) is not null" if kind in ("date", "timestamp") else ""


def _check_declared(declared: Mapping[str, str], names: list[str], block: Block) -> None:
    missing = [name for name in declared if name not in {known.lower() for known in names}]
    if missing:
        has = ", ".join(f"`{name}`" for name in names)
        raise BuildError(
            f"the declared column `{missing[0]}` is not in the seed, which has {has}", Place(block.source.path)
        )


def _seed_error(text: str, block: Block) -> BuildError:
    line = _CSV_LINE.search(text)
    place = Place(block.source.path, int(line[1])) if line else Place(block.source.path)
    columns = _EXPECTED.search(text)
    if columns:
        return BuildError(f"the line has {columns[2]} columns, the header has {columns[1]}", place)
    if "unterminated quote" in text:
        return BuildError("a quote is opened and not closed, or closed in the middle of a value", place)
    conversion = _CONVERSION.search(text)
    if conversion:
        return BuildError(
            f"the column `{conversion[1]}` does not hold what is declared: {conversion[2][:1].lower()}{conversion[2][1:]}",
            place,
        )
    message = re.sub(r"\s*\n\s*", " ", text.split("\n\n", maxsplit=1)[0].split("\nPossible", maxsplit=1)[0])
    return BuildError(Problem(message[:500], place))
