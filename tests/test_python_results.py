"""What a Python function may return, and what it becomes: exact, or refused by the column and the first bad row."""

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from support import store
from test_python_frames import called

from sqlflow.core.errors import BuildError
from sqlflow_python import RUNTIME
from sqlflow_python.worker import PythonWorker

IMPORTS = """import datetime as dt, decimal, uuid
import narwhals as nw, numpy as np, pandas as pd, polars as pl, pyarrow as pa
from sqlflow import block

@block
def made():
    return """
BECOMES: list[tuple[str, str, list[str | None]]] = [
    ('pd.DataFrame({"x": pd.array([1, None], "Int64")})', "BIGINT", ["1", None]),
    ('pd.DataFrame({"x": [1, None]})', "DOUBLE", ["1.0", None]),
    ('pd.DataFrame({"x": [float("inf"), float("nan")]})', "DOUBLE", ["inf", None]),
    ('pd.DataFrame({"x": [1, 2]}, index=[7, 7])', "BIGINT", ["1", "2"]),
    ('pd.DataFrame({"x": [1, 2, 3]}).iloc[::2]', "BIGINT", ["1", "3"]),
    ('pd.DataFrame({"x": pd.array([True, None], "boolean")})', "BOOLEAN", ["true", None]),
    ('pd.DataFrame({"x": [True, None]})', "BOOLEAN", ["true", None]),
    ('pd.DataFrame({"x": ["a", None, float("nan"), pd.NA]})', "VARCHAR", ["a", None, None, None]),
    ('pd.DataFrame({"x": pd.array(["a", None], "string")})', "VARCHAR", ["a", None]),
    ('pd.DataFrame({"x": pd.Series([2**63, 1], dtype=object)})', "UBIGINT", ["9223372036854775808", "1"]),
    ('pd.DataFrame({"x": pd.Series([None, None], dtype="float64")})', "DOUBLE", [None, None]),
    ('pd.DataFrame({"x": pd.Series([], dtype="int16")})', "SMALLINT", []),
    (
        'pd.DataFrame({"x": pd.Categorical(["a", None, "b"], categories=["b", "a"])})',
        "ENUM('b', 'a')",
        ["a", None, "b"],
    ),
    ('pd.DataFrame({"x": pd.Categorical([3, 1])})', "BIGINT", ["3", "1"]),
    ('pd.DataFrame({"x": pd.to_datetime(["2024-01-01", None])})', "TIMESTAMP", ["2024-01-01 00:00:00", None]),
    (
        'pd.DataFrame({"x": pd.to_datetime(["2024-01-01"]).tz_localize("America/New_York")})',
        "TIMESTAMP WITH TIME ZONE",
        ["2024-01-01 05:00:00+00"],
    ),
    (
        'pd.DataFrame({"x": pd.Series([dt.datetime(2024, 1, 1), pd.NaT], dtype=object)})',
        "TIMESTAMP",
        ["2024-01-01 00:00:00", None],
    ),
    ('pd.DataFrame({"x": [dt.date(2024, 2, 29), None]})', "DATE", ["2024-02-29", None]),
    ('pd.DataFrame({"x": [dt.time(23, 59), None]})', "TIME", ["23:59:00", None]),
    ('pd.DataFrame({"x": pd.to_timedelta(["1 day", None])})', "INTERVAL", ["24:00:00", None]),
    (
        'pd.DataFrame({"x": [decimal.Decimal("1.50"), decimal.Decimal("2.125"), None]})',
        "DECIMAL(4,3)",
        ["1.500", "2.125", None],
    ),
    ('pd.DataFrame({"x": [b"\\x00\\xff", None]})', "BLOB", ["\\x00\\xFF", None]),
    ('pd.DataFrame({"x": [[1, None], [], None]})', "BIGINT[]", ["[1, NULL]", "[]", None]),
    ('pd.DataFrame({"x": [np.array([1.5]), None]})', "DOUBLE[]", ["[1.5]", None]),
    ('pd.DataFrame({"x": [{"a": 1}, {"a": None}, None]})', "STRUCT(a BIGINT)", ["{'a': 1}", "{'a': NULL}", None]),
    ('pd.DataFrame({"x": pd.Series([1, None], dtype="int64[pyarrow]")})', "BIGINT", ["1", None]),
    (
        'pd.DataFrame({"x": np.array([1, 2], "uint64") + 2**63})',
        "UBIGINT",
        ["9223372036854775809", "9223372036854775810"],
    ),
    ('pd.DataFrame({"x": np.array([1.5], "float16")})', "FLOAT", ["1.5"]),
    ('pl.DataFrame({"x": [1, None]})', "BIGINT", ["1", None]),
    ('pl.DataFrame({"x": [[1, None], None]})', "BIGINT[]", ["[1, NULL]", None]),
    ('pl.DataFrame({"x": [{"a": 1}, None]})', "STRUCT(a BIGINT)", ["{'a': 1}", None]),
    ('pl.DataFrame({"x": pl.Series(["a", None], dtype=pl.Categorical)})', "VARCHAR", ["a", None]),
    ('pl.DataFrame({"x": pl.Series(["a"], dtype=pl.Enum(["b", "a"]))})', "ENUM('b', 'a')", ["a"]),
    ('pl.DataFrame({"x": [dt.time(1, 2, 3)]})', "TIME", ["01:02:03"]),
    ('pl.DataFrame({"x": [dt.timedelta(days=1)]})', "INTERVAL", ["24:00:00"]),
    ('pl.DataFrame({"x": [decimal.Decimal("1.5")]})', "DECIMAL(38,1)", ["1.5"]),
    (
        'pl.DataFrame({"x": [dt.datetime(2024, 1, 1)]}).select(pl.col("x").dt.replace_time_zone("Asia/Tokyo"))',
        "TIMESTAMP WITH TIME ZONE",
        ["2023-12-31 15:00:00+00"],
    ),
    ('pl.LazyFrame({"x": [1]})', "BIGINT", ["1"]),
    ('pa.table({"x": pa.array([1, None], pa.int8())})', "TINYINT", ["1", None]),
    ('pa.table({"x": pa.array([1], pa.duration("s"))})', "INTERVAL", ["00:00:01"]),
    ('pa.table({"x": pa.array([1.5], pa.float16())})', "FLOAT", ["1.5"]),
    ('pa.table({"x": pa.array(["a"]).dictionary_encode()})', "ENUM('a')", ["a"]),
    ('pa.record_batch({"x": [1]})', "BIGINT", ["1"]),
    ('nw.from_native(pa.table({"x": [1]}))', "BIGINT", ["1"]),
    ('nw.from_native(pl.LazyFrame({"x": [1]}))', "BIGINT", ["1"]),
    ('(pd.DataFrame({"x": [n]}) for n in range(2))', "BIGINT", ["0", "1"]),
    ('map(lambda n: pa.table({"x": [n]}), [1, 2])', "BIGINT", ["1", "2"]),
]
REFUSED = [
    (
        'pd.DataFrame({"x": pd.Series(["a", "b" + chr(0xD800)], dtype=object)})',
        "the column `x`, row 2: the text is not UTF-8: it holds half a character",
    ),
    ('pd.DataFrame({"x": [1, 2]}, index=["a", "b"])', "the frame has an index of `str`, which would be lost"),
    ('pd.DataFrame({"x": [1]}, index=pd.Index([3], name="k"))', "the frame has an index `k`, which would be lost"),
    ('pd.DataFrame({"x": ["a", 1]})', "the column `x` is mixed: row 2 is `int` after `str`"),
    ('pd.DataFrame({"x": [1, "a"]})', "the column `x` is mixed: row 2 is `str` after `int`"),
    (
        'pd.DataFrame({"x": pd.Series([1, 2.5, None], dtype=object)})',
        "the column `x` is mixed: row 2 is `float` after `int`",
    ),
    ('pd.DataFrame({"x": pd.Series([1, True], dtype=object)})', "the column `x` is mixed: row 2 is `bool` after `int`"),
    (
        'pd.DataFrame({"x": pd.Series([2**64, 1], dtype=object)})',
        "the column `x`, row 1: the integer is out of range: 64 bits at most",
    ),
    ('pd.DataFrame({"x": [None, None]})', "the column `x` holds nothing that tells its type"),
    ('pd.DataFrame({"x": pd.Series([], dtype=object)})', "the column `x` holds nothing that tells its type"),
    (
        'pd.DataFrame({"x": [pd.Timestamp("2024-01-01 00:00:00.000000001")]})',
        "the column `x`, row 1: the time holds nanoseconds",
    ),
    (
        'pd.DataFrame({"x": pd.Series([dt.datetime(2024, 1, 1, tzinfo=dt.timezone.utc), dt.datetime(2024, 1, 1)], dtype=object)})',
        "the column `x` mixes times: row 2 has no zone, those before have `UTC`: one time zone",
    ),
    ('pd.DataFrame({"x": [decimal.Decimal("NaN")]})', "the column `x`, row 1: the decimal is `NaN`, not a number"),
    ('pd.DataFrame({"x": [uuid.UUID(int=1), None]})', "the column `x`, row 1: `UUID` cannot be stored"),
    ('pd.DataFrame({"x": [{"a": 1}, {"b": 1}]})', "the column `x`, row 2: the dict has other keys than those before"),
    (
        'pd.DataFrame({"x": [{"a": 1}, {"a": "x"}]})',
        "the column `x`, row 2: the dict is mixed: it holds other types than those before",
    ),
    (
        'pd.DataFrame({"x": [[1], ["a"]]})',
        "the column `x`, row 2: the list is mixed: it holds other types than those before",
    ),
    ('pd.DataFrame({"x": [{1, 2}]})', "the column `x`, row 1: `set` cannot be stored"),
    ('pd.DataFrame({"x": [object()]})', "the column `x`, row 1: `object` cannot be stored"),
    ('pd.DataFrame({"x": [1 + 2j]})', "the column `x` holds complex numbers"),
    ('pd.DataFrame({"x": pd.array([1, 0], dtype="Sparse[int]")})', "the column `x` is sparse"),
    (
        'pd.DataFrame({"x": pd.period_range("2024-01", periods=1, freq="M")})',
        "the column `x` is `period[M]`, which no table can hold",
    ),
    (
        'pd.DataFrame({"x": pd.arrays.IntervalArray.from_tuples([(0, 1)])})',
        "the column `x` is `interval[int64, right]`, which no table can hold",
    ),
    ('pd.DataFrame([[1, 2]], columns=["x", "X"])', "duplicate column `X`"),
    ('pd.DataFrame([[1, 2]], columns=["x", "x"])', "duplicate column `x`"),
    ("pd.DataFrame([[1]], columns=[1])", "column 1 has the name `1`, which is no text"),
    (
        'pd.DataFrame([[1]], columns=pd.MultiIndex.from_tuples([("a", "b")]))',
        "column 1 has the name `('a', 'b')`, which is no text",
    ),
    ('pd.DataFrame([[1]], columns=[""])', "column 1 has no name"),
    ("pd.DataFrame()", "the frame has no columns"),
    ('pd.DataFrame({"x": [1]}).groupby("x").size()', "the function returned a `Series`, not a frame"),
    (
        'pl.DataFrame({"x": pl.Series([1], dtype=pl.Time)})',
        "the column `x`, row 1: casting from time64[ns] to time64[us] would lose data: 1",
    ),
    ('pl.DataFrame({"x": [object()]})', "the column `x` is `Object`, which no table can hold"),
    ('pl.DataFrame({"x": [None]})', "the column `x` holds nothing that tells its type"),
    ('pl.DataFrame({"x": [2**100]}, schema={"x": pl.Int128})', "the column `x` is `Int128`, which no table can hold"),
    ('pa.table({"x": pa.nulls(2)})', "the column `x` holds nothing that tells its type"),
    (
        'pa.table({"x": pa.array([1], pa.date64())})',
        "the column `x`, row 1: casting from date64[ms] to date32[day] would lose data: 1",
    ),
    (
        'pa.table({"x": pa.array([10**40], pa.decimal256(50, 0))})',
        "the column `x`, row 1: decimal value does not fit in precision 38",
    ),
    (
        '(pd.DataFrame({"x": [n]}) for n in (1, "a"))',
        "piece 2 of the stream: the column `x` is `large_string`, in the first it is `int64`",
    ),
    ("iter([])", "the function gave an iterator without a frame"),
    ('[pd.DataFrame({"x": [1]})]', "the function returned a `list`, not a frame"),
    ('pd.DataFrame({"x": [1]})["x"]', "the function returned a `Series`, not a frame"),
    ("np.array([1])", "the function returned a `ndarray`, not a frame"),
    ("None", "the function returned None, not a frame"),
]


@pytest.fixture(scope="module")
def worker() -> Iterator[PythonWorker]:
    worker = RUNTIME.start()
    assert isinstance(worker, PythonWorker)
    yield worker
    worker.close()


@pytest.mark.parametrize(("code", "kind", "values"), BECOMES)
def test_what_a_result_becomes(
    worker: PythonWorker, code: str, kind: str, values: list[str | None], tmp_path: Path
) -> None:
    (tmp_path / "scratch").mkdir()
    with called(worker, IMPORTS + code, {}, tmp_path) as rows, duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        store(connection, "made", rows.read_all())
        assert connection.execute("describe made").fetchall()[0][:2] == ("x", kind)
        assert [value for (value,) in connection.execute("select x::varchar from made").fetchall()] == values


@pytest.mark.parametrize(("code", "words"), REFUSED)
def test_what_no_table_holds_is_refused(worker: PythonWorker, code: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "scratch").mkdir()
    with pytest.raises(BuildError) as raised, called(worker, IMPORTS + code, {}, tmp_path) as reader:
        reader.read_all()
    problem = raised.value.problems[0]
    assert (problem.message, problem.place and problem.place.line) == (words, 6)
