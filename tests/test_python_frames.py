"""What goes through a function comes back as it was: every type of DuckDB × every kind of frame, in the real process.

One worker is kept warm for all of it. Each column is a row of the table below: a type, and values as SQL writes them.
"""

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import store

from sqlflow.core.errors import BuildError
from sqlflow.core.runtime import Call, Surroundings
from sqlflow.core.text import SourceFile
from sqlflow_duckdb.enums import reader
from sqlflow_python import RUNTIME
from sqlflow_python.frame_kinds import FRAMES
from sqlflow_python.worker import PythonWorker

KINDS = {kind: name for name, kind in reversed(FRAMES.items())}
WHOLE = ("pandas", "arrow", "narwhals")
"""Frames that tell all levels of a column before its rows. Of polars only its own Enum does."""
IMPORTS = "import duckdb\nimport narwhals\nimport pandas\nimport polars\nimport pyarrow\nfrom sqlflow import block\n"
LONG = "repeat('ß', 500_000)"
COLUMNS = {
    "boolean": ["true", "false"],
    "tinyint": ["-128", "127"],
    "smallint": ["-32768", "32767"],
    "integer": ["-2147483648", "2147483647"],
    "bigint": ["-9223372036854775808", "9223372036854775807", "9007199254740993"],
    "utinyint": ["0", "255"],
    "usmallint": ["0", "65535"],
    "uinteger": ["0", "4294967295"],
    "ubigint": ["0", "18446744073709551615"],
    "hugeint": ["-99999999999999999999999999999999999999", "0"],
    "uhugeint": ["0", "99999999999999999999999999999999999999"],
    "float": ["'nan'", "'inf'", "'-inf'", "-0.0", "3.4028235e38", "1e-45"],
    "double": ["'nan'", "'inf'", "'-inf'", "-0.0", "1.7976931348623157e308", "5e-324", "0.1"],
    "decimal(4,1)": ["-999.9", "999.9", "0"],
    "decimal(18,3)": ["-999999999999999.999", "0.001"],
    "decimal(38,10)": ["-9999999999999999999999999999.9999999999", "0.0000000001"],
    "varchar": ["''", "'NULL'", "'a''b\"c'", "e'line\\nbreak\\ttab'", "'日本語 🦆 é'", LONG],
    "uuid": ["'00000000-0000-0000-0000-000000000000'", "'ffffffff-ffff-ffff-ffff-ffffffffffff'"],
    "enum('a', 'é', '')": ["'é'", "''"],
    "blob": ["''::blob", "'\\x00\\xFF'::blob"],
    "date": ["'0001-01-01'", "'1970-01-01'", "'9999-12-31'", "'1582-10-15'"],
    "time": ["'00:00:00'", "'23:59:59.999999'"],
    "timestamp": ["'0001-01-01'", "'1970-01-01'", "'9999-12-31 23:59:59.999999'", "'1969-12-31 23:59:59.999999'"],
    "timestamp_s": ["'0001-01-01'", "'9999-12-31 23:59:59'"],
    "timestamp_ms": ["'0001-01-01'", "'9999-12-31 23:59:59.999'"],
    "timestamp_ns": ["'1700-01-01 00:00:00.000000001'", "'2262-04-11 23:47:16.854775806'"],
    "timestamptz": ["'0001-01-01 00:00:00+00'", "'9999-12-31 23:59:59.999999+00'", "'2013-03-10 07:30:00+00'"],
    "interval": ["'1 month'", "'-3 days'", "'1 year 2 days 00:00:00.000001'"],
    "integer[]": ["[]", "[1, null, 3]", "[-2147483648]"],
    "varchar[][]": ["[]", "[['a', null], []]"],
    "double[2]": ["[1.5, null]", "['nan', 'inf']"],
    "struct(a integer, b varchar)": ["{'a': 1, 'b': ''}", "{'a': null, 'b': 'x'}"],
    "struct(a struct(b date)[])": ["{'a': [{'b': '9999-12-31'}, null]}", "{'a': []}"],
    "map(varchar, integer)": ["map {'a': 1, 'b': null}", "map {}"],
    "decimal(18,3)[]": ["[1.5, null]"],
    "time[]": ["['23:59:59.999999', null]"],
    "timestamptz[]": ["['2013-03-10 07:30:00+00', null]"],
}
POLARS = ("polars", "polars-lazy")
REFUSED = {(kind, type_) for kind in POLARS for type_ in ("interval", "map(varchar, integer)")}
"""What polars does not have."""
CHANGED = {(kind, "timestamp_s"): "TIMESTAMP_MS" for kind in POLARS}
CHANGED |= {(kind, wide): "DECIMAL(38,0)" for kind in KINDS for wide in ("hugeint", "uhugeint")}
CHANGED |= {(kind, "uuid"): "VARCHAR" for kind in KINDS}
CHANGED |= {(kind, "enum('a', 'é', '')"): "VARCHAR" for kind in KINDS if kind not in WHOLE}
"""What comes back under another type that holds the same values."""


@pytest.fixture(scope="module")
def worker() -> Iterator[PythonWorker]:
    worker = RUNTIME.start()
    assert isinstance(worker, PythonWorker)
    yield worker
    worker.close()


@pytest.fixture(scope="module")
def warehouse() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(config={"python_enable_replacements": "false"}) as connection:
        connection.execute("set timezone = 'UTC'")
        yield connection


Through = Callable[[str, str], list[Any]]


@pytest.fixture
def through(worker: PythonWorker, warehouse: duckdb.DuckDBPyConnection, tmp_path: Path) -> Through:
    """Return what sends a query's rows through a function of a kind of frames, and returns types and rows."""
    (tmp_path / "scratch").mkdir()

    def send(query: str, kind: str) -> list[Any]:
        text = f"{IMPORTS}@block\ndef same(rows: {KINDS[kind].replace('.typing.FrameT', '.DataFrame')}):\n    return rows\n"
        with called(worker, text, {"rows": reader(warehouse.sql(query))}, tmp_path) as rows:
            back = rows.read_all()
        store(warehouse, "back", back)
        return content(warehouse, "select * from back")

    return send


def called(worker: PythonWorker, text: str, inputs: dict[str, Any], folder: Path) -> Any:
    source = SourceFile("blocks/m.py", text)
    file = RUNTIME.read(source, lambda *_: None, {})
    assert file is not None
    around = Surroundings("main.m", "dev", "run", 1, {}, {})
    call = Call(file.block, source, folder, folder / "scratch", {}, around)
    return worker.run(call, iter(inputs.items()), lambda sql: nullcontext(None), lambda line: None)


def content(warehouse: duckdb.DuckDBPyConnection, query: str) -> list[Any]:
    """Return the types of a query's columns, and its rows as DuckDB itself writes them: exact for every type."""
    kinds = [(name, kind) for name, kind, *_ in warehouse.execute(f"describe {query}").fetchall()]
    shown = ", ".join(f'"{name}"::varchar, "{name}" is null' for name, _ in kinds)
    return [kinds, warehouse.execute(f"select {shown} from ({query})").fetchall()]


@pytest.mark.parametrize("type_", COLUMNS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_type_survives_every_kind_of_frame(
    kind: str, type_: str, through: Through, warehouse: duckdb.DuckDBPyConnection
) -> None:
    listed = ", ".join(f"(({value})::{type_})" for value in [*COLUMNS[type_], "null"])
    query = f"select * from (values {listed}) as t(v)"
    if (kind, type_) in REFUSED:
        with pytest.raises(BuildError, match=r"the column `v` is .*, which polars does not have"):
            through(query, kind)
    else:
        kinds, rows = content(warehouse, query)
        assert through(query, kind) == [[("v", CHANGED.get((kind, type_), kinds[0][1]))], rows]


@pytest.mark.parametrize("kind", KINDS)
def test_a_frame_without_rows_keeps_its_types(
    kind: str, through: Through, warehouse: duckdb.DuckDBPyConnection
) -> None:
    columns = [type_ for type_ in COLUMNS if (kind, type_) not in REFUSED | CHANGED.keys()]
    listed = ", ".join(f'null::{type_} as "c{number}"' for number, type_ in enumerate(columns))
    query = f"select * from (select {listed}) where false"
    assert through(query, kind) == content(warehouse, query)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=st.sampled_from(sorted(KINDS)),
    rows=st.lists(
        st.tuples(
            st.none() | st.integers(-(2**63), 2**63 - 1),
            st.none() | st.floats(),
            st.none() | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
            st.none() | st.binary(),
            st.none() | st.datetimes(),
            st.none() | st.dates(),
            st.none() | st.lists(st.none() | st.integers(-(2**31), 2**31 - 1)),
        ),
        max_size=20,
    ),
)
def test_any_rows_survive(
    kind: str, rows: list[tuple[Any, ...]], through: Through, warehouse: duckdb.DuckDBPyConnection
) -> None:
    kinds = [pa.int64(), pa.float64(), pa.string(), pa.binary(), pa.timestamp("us"), pa.date32(), pa.list_(pa.int32())]
    columns = [pa.array([row[number] for row in rows], kind, from_pandas=False) for number, kind in enumerate(kinds)]
    warehouse.register("rows", pa.table(columns, names=list("abcdefg")))
    query = "select * from rows"
    assert through(query, kind) == content(warehouse, query)
