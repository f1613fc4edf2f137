"""What a column is in R, and that it comes back as it went: through a real R process."""

import math
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from r_process import Bench
from support import store

from sqlflow.core.errors import BuildError

IDENTITY = "block <- function(a) a"
LONGEST = 2**63 - 1


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    bench = Bench(tmp_path_factory.mktemp("r"))
    yield bench
    bench.close()


def _integers(low: int, high: int) -> st.SearchStrategy[str]:
    return (st.integers(low, high) | st.sampled_from([low, high, 0])).map(str)


def _floats(width: Any) -> st.SearchStrategy[str]:
    return st.floats(width=width).map(repr)


def _decimals(scale: int) -> st.SearchStrategy[str]:
    digits = st.integers(-(10**15) + 1, 10**15 - 1).map(lambda number: f"{number:+0{scale + 2}d}")
    return digits.map(lambda text: f"{text[:-scale]}.{text[-scale:]}")


def _times(low: datetime, high: datetime, unit: timedelta) -> st.SearchStrategy[str]:
    steps = (high - low) // unit
    edges = st.sampled_from(
        ["infinity", "-infinity", "1970-01-01 00:00:00", "0001-01-01 00:00:00", "9999-12-31 23:59:59"]
    )
    return st.integers(0, steps).map(lambda step: (low + step * unit).isoformat(sep=" ")) | edges


def _text() -> st.SearchStrategy[str]:
    plain = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
    return plain | st.sampled_from(["", "NA", "NULL", " ", "\n", '"', "'", "\\", "😀", "é" * 1000])


NEAR = (datetime(1700, 1, 1), datetime(2240, 1, 1), timedelta(microseconds=1))
"""Where a double of seconds tells every microsecond."""
FAR = (datetime(1, 1, 1), datetime(9999, 12, 31), timedelta(seconds=1))
DATES = st.dates(date(1, 1, 1), date(9999, 12, 31)).map(str) | st.sampled_from(["infinity", "-infinity", "2000-02-29"])
TYPES: dict[str, tuple[st.SearchStrategy[str], str]] = {
    "boolean": (st.sampled_from(["true", "false"]), "BOOLEAN"),
    "tinyint": (_integers(-(2**7), 2**7 - 1), "INTEGER"),
    "utinyint": (_integers(0, 2**8 - 1), "INTEGER"),
    "smallint": (_integers(-(2**15), 2**15 - 1), "INTEGER"),
    "usmallint": (_integers(0, 2**16 - 1), "INTEGER"),
    "integer": (_integers(-(2**31) + 1, 2**31 - 1), "INTEGER"),
    "uinteger": (_integers(0, 2**32 - 1), "DOUBLE"),
    "bigint": (_integers(-LONGEST, LONGEST), "BIGINT"),
    "ubigint": (_integers(0, LONGEST), "BIGINT"),
    "decimal(38, 0)": (_integers(-(2**53), 2**53), "DOUBLE"),
    "float": (_floats(32), "DOUBLE"),
    "double": (_floats(64), "DOUBLE"),
    "decimal(15, 2)": (_decimals(2), "DOUBLE"),
    "decimal(38, 12)": (_decimals(12), "DOUBLE"),
    "varchar": (_text(), "VARCHAR"),
    "uuid": (st.uuids().map(str), "VARCHAR"),
    "blob": (st.binary(max_size=20).map(lambda value: "".join(f"\\x{byte:02X}" for byte in value)), "BLOB"),
    "date": (DATES, "DATE"),
    "timestamp": (_times(*NEAR) | _times(*FAR), "TIMESTAMP"),
    "timestamp_s": (_times(*FAR), "TIMESTAMP"),
    "timestamp_ms": (_times(NEAR[0], NEAR[1], timedelta(milliseconds=1)), "TIMESTAMP"),
    "timestamp_ns": (
        _times(NEAR[0], NEAR[1], timedelta(microseconds=1)).filter(lambda t: "1700" < t < "2240"),
        "TIMESTAMP",
    ),
    "timestamptz": (_times(*NEAR) | _times(*FAR), "TIMESTAMP WITH TIME ZONE"),
    "time": (st.times().map(str) | st.just("24:00:00"), "TIME"),
    "enum('a', 'é', '', 'NA')": (st.sampled_from(["a", "é", "", "NA"]), "ENUM('a', 'é', '', 'NA')"),
}
NAMES = {kind: f"c{number}" for number, kind in enumerate(TYPES)}
ROWS = st.lists(st.tuples(*(st.none() | values for values, _ in TYPES.values())), max_size=8)
ONE_OF_EACH = st.tuples(*(values for values, _ in TYPES.values()))


@settings(max_examples=40)
@given(first=ONE_OF_EACH, rows=ROWS, frame=st.sampled_from(["data.frame", "tibble", "data.table"]))
def test_every_type_comes_back_as_it_went(bench: Bench, first: tuple[str, ...], rows: list[Any], frame: str) -> None:
    before = _before(bench.connection, [first, *rows])

    back = bench.rows(f"#' @frame a {frame}\n{IDENTITY}", {"a": "select * from before"})

    store(bench.connection, "after", back)
    described = bench.connection.execute("describe after").fetchall()
    assert [kind for _, kind, *_ in described] == [kind for _, kind in TYPES.values()]
    wrong = {kind: _differing(bench.connection, name, kind) for kind, name in NAMES.items()}
    assert not {kind: rows for kind, rows in wrong.items() if rows}, before


NESTED = {
    "a list": "case when n % 4 = 2 then [] when n % 4 = 1 then null else list({}) over last end",
    "a list of lists": "[list({}) over last, null, [], [{}]]",
    "a struct": "{{'f': {}, 'g': n, 'h': list({}) over last}}",
    "a list of structs": "case when n % 3 = 2 then [] else list({{'f': {}, 'g': {{'h': {}}}}}) over last end",
}
"""Forms that hold values of every type, as SQL."""


@settings(max_examples=5)
@given(first=ONE_OF_EACH, rows=ROWS, frame=st.sampled_from(["data.frame", "tibble"]))
@pytest.mark.parametrize("form", NESTED)
def test_every_type_comes_back_from_inside_of(
    bench: Bench, form: str, first: tuple[str, ...], rows: list[Any], frame: str
) -> None:
    before = _before(bench.connection, [first, *rows])
    columns = ", ".join(f"{NESTED[form].format(name, name)} as {name}" for name in NAMES.values())
    bench.connection.execute(
        f"create or replace table before as select {columns} from (select *, row_number() over () as n from before)"
        " window last as (order by n rows between 2 preceding and current row)"
    )
    kinds = {name: kind for name, kind, *_ in bench.connection.execute("describe before").fetchall()}

    back = bench.rows(f"#' @frame a {frame}\n{IDENTITY}", {"a": "select * from before"})

    store(bench.connection, "after", back)
    wrong = {kind: _differing(bench.connection, name, kinds[name]) for kind, name in NAMES.items()}
    assert not {kind: rows for kind, rows in wrong.items() if rows}, before


def _before(connection: duckdb.DuckDBPyConnection, rows: list[Any]) -> list[Any]:
    """Make the table `before` of texts that are cast to the types."""
    texts = pa.table({name: pa.array([row[n] for row in rows], pa.string()) for n, name in enumerate(NAMES.values())})
    connection.register("texts", texts)
    columns = ", ".join(f"cast({name} as {kind}) as {name}" for kind, name in NAMES.items())
    connection.execute(f"create or replace table before as select {columns} from texts")
    return rows


def _differing(connection: duckdb.DuckDBPyConnection, name: str, kind: str) -> list[Any]:
    query = f"select before.{name}, after.{name} from before positional join after"
    return connection.execute(f"{query} where before.{name} is distinct from cast(after.{name} as {kind})").fetchall()


def test_null_and_nan_stay_apart(bench: Bench) -> None:
    found = bench.rows(IDENTITY, {"a": "select unnest([null, 'nan', 'inf', '-0.0'])::double as x"})
    null, nan, infinite, zero = found.column("x").to_pylist()
    assert (null, infinite, math.copysign(1, zero)) == (None, math.inf, -1.0)
    assert math.isnan(nan)


def test_a_megabyte_of_text_comes_back(bench: Bench) -> None:
    found = bench.rows(IDENTITY, {"a": "select repeat('é\n', 400000) as s union all select ''"})
    assert sorted(map(len, found.column("s").to_pylist())) == [0, 800_000]


def test_many_rows_come_back_chunk_by_chunk(bench: Bench) -> None:
    query = "select range as i, 'n' || range as s, case when range % 7 > 0 then (range % 5)::text::blob end as b"
    found = bench.rows(IDENTITY, {"a": f"{query} from range(2_100_000)"})
    bench.connection.register("back", found)
    wrong = bench.connection.execute(
        "select count(*) from (select row_number() over () - 1 as r, * from back) where i <> r or s <> 'n' || r"
        " or (b is not null) <> (r % 7 > 0) or b <> (r % 5)::text::blob"
    ).fetchall()
    assert (len(found), found.column("i").num_chunks, wrong) == (2_100_000, 3, [(0,)])


def test_an_empty_table_keeps_its_types(bench: Bench) -> None:
    _before(bench.connection, [])
    found = bench.rows(IDENTITY, {"a": "select * from before"})
    store(bench.connection, "empty", found)
    kinds = [kind for _, kind, *_ in bench.connection.execute("describe empty").fetchall()]
    assert (len(found), kinds) == (0, [kind for _, kind in TYPES.values()])


@pytest.mark.parametrize(
    ("sql", "seen"),
    [
        ("true", "logical"),
        ("1::smallint", "integer"),
        ("1::bigint", "integer64"),
        ("1.5::double", "numeric"),
        ("1.5::decimal(9, 2)", "numeric"),
        ("'a'", "character"),
        ("'a'::enum('a')", "factor"),
        ("'a'::blob", "list"),
        ("date '2024-01-01'", "Date"),
        ("timestamp '2024-01-01 10:00:00'", "POSIXct POSIXt"),
        ("time '10:00:00'", "hms difftime"),
        ("[1, 2]", "list"),
        ("{'a': 1}", "data.frame"),
    ],
)
def test_what_a_column_is_in_r(bench: Bench, sql: str, seen: str) -> None:
    text = 'block <- function(a) data.frame(seen = paste(class(a$x), collapse = " "))'
    assert bench.rows(text, {"a": f"select {sql} as x"}).column("seen").to_pylist() == [seen]


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("(-2147483648)::integer", "column `x` holds -2147483648, which is R's NA"),
        ("(-9223372036854775808)::bigint", "column `x` holds -9223372036854775808"),
        ("18446744073709551615::ubigint", "column `x` holds 18446744073709551615"),
        ("9007199254740993::decimal(38, 0)", "has more digits than a double can tell"),
        ("1234567890123456.78::decimal(18, 2)", "column `x` holds 1234567890123456.78, which has more digits"),
        ("chr(0) || 'a'", "column `x` holds a NUL"),
        (
            "timestamp '9999-01-01 00:00:00.000001'",
            "column `x` holds 9999-01-01 00:00:00.000001, which R's times would",
        ),
        ("'2024-01-01 00:00:00.000000001'::timestamp_ns", "which R's times would round"),
        ("interval 1 day", "column `x` is `month_day_nano_interval`, which R's data frames do not hold"),
        ("[interval 1 day]", "column `x[]` is `month_day_nano_interval`"),
        ("{'a': {'b': [map {'a': 1}]}}", "column `x.a.b[]` is `map<"),
        ("unnest([{'a': 1}, null])", "column `x` holds a struct that is NULL"),
        ("['a', chr(0)]", "column `x[]` holds a NUL"),
        ("map {'a': 1}", "column `x` is `map<"),
    ],
)
def test_what_r_cannot_hold_is_refused_by_the_columns_name(bench: Bench, sql: str, words: str) -> None:
    with pytest.raises(BuildError, match=r"block\.R:1:19: `a`: ") as raised:
        bench.rows(IDENTITY, {"a": f"select {sql} as x"})
    assert words in str(raised.value)


def test_doubles_are_asked_for_by_the_frame_line(bench: Bench) -> None:
    text = "#' @frame a data.frame double\nblock <- function(a) data.frame(sum = sum(a$x), seen = class(a$x))"
    found = bench.rows(text, {"a": "select unnest([1, 2])::bigint as x"}).to_pylist()
    assert found == [{"sum": 3.0, "seen": "numeric"}]
    with pytest.raises(
        BuildError, match="column `x` holds 9007199254740993, and doubles are exact up to 9007199254740992"
    ):
        bench.rows(text, {"a": "select 9007199254740993::bigint as x"})


@pytest.mark.parametrize(
    ("code", "kind", "value"),
    [
        ("c(TRUE, NA)", "BOOLEAN", [True, None]),
        ("c(1L, NA)", "INTEGER", [1, None]),
        ("c(1, NA, NaN)[1:2]", "DOUBLE", [1.0, None]),
        ('bit64::as.integer64(c("9223372036854775807", NA))', "BIGINT", [LONGEST, None]),
        ('c("", NA)', "VARCHAR", ["", None]),
        ('iconv(c("\\u00e9", NA), "UTF-8", "latin1")', "VARCHAR", ["é", None]),
        ('factor(c("b", NA), levels = c("b", "a"))', "ENUM('b', 'a')", ["b", None]),
        ('addNA(factor(c("b", NA)))', "VARCHAR", ["b", None]),
        ('factor(c("low", NA), c("low", "high"), ordered = TRUE)', "ENUM('low', 'high')", ["low", None]),
        ('as.Date(c("2024-02-29", NA))', "DATE", [date(2024, 2, 29), None]),
        ('seq(as.Date("2024-01-01"), by = "day", length.out = 1)', "DATE", [date(2024, 1, 1)]),
        ('as.POSIXct(c("2024-01-01 10:00:00", NA))', "TIMESTAMP", [datetime(2024, 1, 1, 10), None]),
        (".POSIXct(c(1.000001, NA))", "TIMESTAMP", [datetime(1970, 1, 1, 0, 0, 1, 1), None]),
        ("ts(c(1, 2), start = 2020)", "DOUBLE", [1.0, 2.0]),
        ("I(c(1, 2))", "DOUBLE", [1.0, 2.0]),
        ("scale(c(1, 2, 3))", "DOUBLE", [-1.0, 0.0, 1.0]),
        ("I(list(as.raw(1:2), NULL))", "BLOB", [b"\x01\x02", None]),
        ('I(list(c("a", NA), character(), NULL))', "VARCHAR[]", [["a", None], [], None]),
        ("list(1L, c(2.5, NA), NA)", "DOUBLE[]", [[1.0], [2.5, None], [None]]),
        ('list(NA, bit64::as.integer64("9007199254740993"))', "BIGINT[]", [[None], [9007199254740993]]),
        ('list(factor("a"), factor("b"))', "VARCHAR[]", [["a"], ["b"]]),
        ("list(list(1L, 2L), list())", "INTEGER[][]", [[[1], [2]], []]),
        (
            'data.frame(p = 1:2, q = c("a", NA))',
            "STRUCT(p INTEGER, q VARCHAR)",
            [{"p": 1, "q": "a"}, {"p": 2, "q": None}],
        ),
        ("list(data.frame(p = 1:2), NULL)", "STRUCT(p INTEGER)[]", [[{"p": 1}, {"p": 2}], None]),
    ],
)
def test_what_an_r_value_becomes(bench: Bench, code: str, kind: str, value: list[Any]) -> None:
    found = bench.rows(
        f"block <- function() structure(list(x = {code}), class = 'data.frame', row.names = c(NA, -{len(value)}L))"
    )
    store(bench.connection, "made", found)
    assert bench.connection.execute("describe made").fetchall()[0][1] == kind
    assert found.column("x").to_pylist() == value


def test_a_time_with_a_zone_is_an_instant(bench: Bench) -> None:
    found = bench.rows('block <- function() data.frame(t = as.POSIXct("2024-07-01 12:00:00", tz = "America/New_York"))')
    assert str(found.schema.field("t").type) == "timestamp[us, tz=UTC]"
    assert found.column("t").to_pylist()[0].isoformat() == "2024-07-01T16:00:00+00:00"


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("NULL", "the function gives NULL, and not a data.frame"),
        ("1:3", "the function gives an integer, and not a data.frame"),
        ("matrix(1)", "the function gives a matrix, and not a data.frame"),
        ("list(a = 1)", "the function gives a list, and not a data.frame"),
        ("data.frame()", "the result has no columns"),
        ("data.frame(a = 1, A = 2)", "duplicate column `A` in the result"),
        ("setNames(data.frame(1, 2), c('a', NA))", "column 2 of the result has no name"),
        ("setNames(data.frame(1, 2), c('', 'b'))", "column 1 of the result has no name"),
        ("mtcars", "the result has row names, such as `Mazda RX4`, which no table has"),
        ("data.frame(x = NA)", "column `x` is NA alone, so that its type cannot be told"),
        ("data.frame(x = 1i)", "column `x` is of type complex, which no table has"),
        ("data.frame(x = as.raw(1))", "column `x` is of type raw, which no table has"),
        (
            "data.frame(x = I(list(1, 'a')))",
            "column `x` is a list of several types: numeric in row 1 and character in row 2",
        ),
        ("data.frame(x = I(list(NULL, 1, .POSIXct(1), 'a')))", "numeric in row 2 and POSIXct in row 3"),
        ("data.frame(x = I(list(list(a = 1))))", "column `x` is a list with a named list in row 1"),
        ("data.frame(x = I(list(1, mean)))", "column `x` is a list with a value of class `function` in row 2"),
        ("data.frame(x = I(list(matrix(1:4, 2))))", "column `x` is a list with a matrix in row 1"),
        ("data.frame(x = I(list(1, data.frame(p = 1))))", "column `x` is a list of several types"),
        ("data.frame(x = I(list(data.frame(q = 1), data.frame(p = 1))))", "with other columns each"),
        ("data.frame(x = I(list(NA, NA)))", "column `x[]` is NA alone"),
        ("data.frame(x = I(list('a', c('b', '\\xff'))))", "column `x[]` is no valid UTF-8 in value 3"),
        (
            "data.frame(x = I(list(as.Date(1.5, origin = '1970-01-01'))))",
            "column `x[]` holds a part of a day in value 1",
        ),
        (
            "{ d <- data.frame(x = 1); d$y <- data.frame(a = 1, A = 2); d }",
            "column `y` is a data.frame whose columns have no",
        ),
        ("data.frame(x = I(matrix(1:4, 2)))", "column `x` is a matrix"),
        (
            "{ d <- data.frame(x = 1); d$y <- as.POSIXlt(0, origin = '1970-01-01', tz = 'UTC'); d }",
            "column `y` is POSIXlt",
        ),
        ("data.frame(x = as.difftime(1, units = 'mins'))", "column `x` is a difftime"),
        ("data.frame(x = as.Date(c(1, 1.5), origin = '1970-01-01'))", "column `x` holds a part of a day in row 2"),
        (
            "data.frame(x = structure(86401, class = c('hms', 'difftime'), units = 'secs'))",
            "column `x` holds no time of day",
        ),
        ("{ d <- data.frame(x = 1); class(d$x) <- 'roman'; d }", "column `x` is of class `roman`, which no table has"),
        ("data.frame(x = c('a', '\\xff'))", "column `x` is no valid UTF-8 in row 2"),
    ],
)
def test_what_no_table_holds_is_refused(bench: Bench, code: str, words: str) -> None:
    with pytest.raises(BuildError, match=r"block\.R:1:1: ") as raised:
        bench.rows(f"block <- function() {code}")
    assert words in str(raised.value)


def test_no_data_table_holds_a_struct(bench: Bench) -> None:
    with pytest.raises(BuildError, match=r"column `x` is a struct, which no data\.table holds"):
        bench.rows(f"#' @frame a data.table\n{IDENTITY}", {"a": "select {'a': 1} as x"})
    assert bench.rows(f"#' @frame a data.table\n{IDENTITY}", {"a": "select [1] as x"}).to_pylist() == [{"x": [1]}]


@pytest.mark.parametrize("count", [1, 999, 5000, 300_000])
def test_texts_that_come_again_and_again_come_back(bench: Bench, count: int) -> None:
    query = (
        f"select case when range % 7 > 0 then 'é' || range % {count} else nullif('', 'x') end as s, nullif(s, '') as n"
    )
    found = bench.rows(IDENTITY, {"a": f"{query} from range(300_000)"})
    bench.connection.register("back", found)
    wrong = bench.connection.execute(
        f"select count(*) from ({query} from range(300_000)) as there positional join back as here"
        " where there.s is distinct from here.s or there.n is distinct from here.n"
    ).fetchall()
    assert (len(found), wrong) == (300_000, [(0,)])
