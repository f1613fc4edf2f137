"""Rows between Arrow and Postgres in COPY's binary form: each type with NULL, its borders, and what is refused."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Context, Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow as pa
import pytest

from sqlflow.core.engine import Session
from sqlflow.core.errors import StatementError
from sqlflow.core.names import TableName
from sqlflow.read.engines import engine

MADE = TableName("public", "made")
MANY = 100_000


@pytest.fixture
def session(postgres_url: str) -> Iterator[Session]:
    adapter = engine("postgres")
    connection = adapter.open(adapter.settings(engine="postgres", url=postgres_url), Path())
    yield connection.session()
    connection.close()


def stored(session: Session, values: pa.Array) -> tuple[str | None, ...]:
    """Return what Postgres writes of a column that stands between two others."""
    count = len(values)
    table = pa.table({"id": pa.array(range(count)), "value": values, "note": pa.array(["ä"] * count)})
    session.load(MADE, table.to_reader())
    found = session.rows(f"select value::text, note from {MADE.sql} order by id").rows
    assert {note for _, note in found} <= {"ä"}
    return tuple(value for value, _ in found)


def decimals(precision: int, scale: int) -> list[Decimal]:
    """Return decimals with digits at all ends of a type."""
    most = 10**precision - 1
    whole = (0, 1, -1, most, -most, 10 ** (precision - 1), 12345 % 10**precision, 10000 % 10**precision)
    return [Decimal(number).scaleb(-scale, Context(prec=80)) for number in whole]


EXACT = [
    (pa.bool_(), [True, None, False]),
    (pa.int8(), [-128, None, 127]),
    (pa.int16(), [-(1 << 15), None, (1 << 15) - 1]),
    (pa.int32(), [-(1 << 31), None, (1 << 31) - 1]),
    (pa.int64(), [-(1 << 63), None, (1 << 63) - 1]),
    (pa.uint8(), [0, None, 255]),
    (pa.uint16(), [0, None, (1 << 16) - 1]),
    (pa.uint32(), [0, None, (1 << 32) - 1]),
    (pa.uint64(), [0, None, (1 << 64) - 1]),
    (pa.float32(), [1.5, None, -0.0, float("inf")]),
    (pa.float64(), [1e308, None, 5e-324, -0.0, float("-inf")]),
    (pa.date32(), [date.min, None, date.max]),
    (pa.date64(), [date.min, None, date.max]),
    (pa.timestamp("us"), [datetime.min, None, datetime.max]),
    (pa.timestamp("s"), [datetime(1969, 12, 31, 23, 59, 59), None]),
    (pa.timestamp("us", "Europe/Berlin"), [datetime(2020, 7, 1, 12, tzinfo=UTC), None]),
    (pa.time64("us"), [time.min, None, time.max]),
    (pa.time32("s"), [time(1, 2, 3), None]),
    *(
        (pa.decimal128(*size), [*decimals(*size), None])
        for size in ((1, 0), (4, 2), (5, 5), (12, 2), (18, 9), (38, 18))
    ),
    (pa.decimal128(38, 38), [Decimal(1).scaleb(-38), None, Decimal(-5).scaleb(-1)]),
    (pa.string(), ["", None, "ä€😀", 'a "quote", a comma\nand a line', "\\N", "x" * 70_000]),
    (pa.large_string(), ["", None, "ä"]),
    (pa.string_view(), ["", None, "longer than what a view holds itself"]),
    (pa.binary(), [b"", None, bytes(range(256))]),
    (pa.large_binary(), [b"a", None]),
    (pa.binary(3), [b"abc", None]),
    (pa.null(), [None, None]),
    (pa.dictionary(pa.int8(), pa.string()), ["a", None, "b", "a"]),
    (pa.bool_(), []),
]


@pytest.mark.parametrize(("kind", "values"), EXACT, ids=[f"{kind}" for kind, _ in EXACT])
@pytest.mark.parametrize("with_nulls", [True, False], ids=["nulls", "none"])
def test_values_come_back_as_they_were(
    kind: pa.DataType, values: list[Any], with_nulls: bool, session: Session
) -> None:
    given = pa.array(values if with_nulls else [value for value in values if value is not None], kind)
    assert len(stored(session, given)) == len(given)
    back = session.batches(f"select note, value from {MADE.sql} order by id").read_all()["value"]
    assert list(map(str, back.to_pylist())) == list(map(str, given.cast(back.type).to_pylist()))


@pytest.mark.parametrize(
    ("values", "written"),
    [
        (pa.array([Decimal("-1.50"), Decimal("10000.00"), None], pa.decimal128(9, 2)), ("-1.50", "10000.00", None)),
        (pa.array([Decimal(12300), None], pa.decimal128(5, -2)), ("12300", None)),
        (pa.array([Decimal("1.5"), Decimal(-10) ** 39, None], pa.decimal256(60, 1)), ("1.5", f"-1{39 * '0'}.0", None)),
        (pa.array([timedelta(days=3, microseconds=5), None]), ("72:00:00.000005", None)),
        (pa.array([(1, 2, 3000), None], pa.month_day_nano_interval()), ("1 mon 2 days 00:00:00.000003", None)),
        (pa.array([[1, None], [], None], pa.list_(pa.int32())), ("[1, null]", "[]", None)),
        (pa.array([{"a": "ä"}, None]), ('{"a": "ä"}', None)),
        (pa.array([UUID(int=5).bytes, None], pa.uuid()), (str(UUID(int=5)), None)),
        (pa.array([1.5, None], pa.float16()), ("1.5", None)),
        (pa.array([-719528, None], pa.date32()), ("0001-01-01 BC", None)),
        (pa.array([-62_167_219_200_000_001, None], pa.timestamp("us")), ("0002-12-31 23:59:59.999999 BC", None)),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array) else "",
)
def test_what_postgres_holds_in_another_way_is_the_same_there(
    values: pa.Array, written: tuple[str | None, ...], session: Session
) -> None:
    assert stored(session, values) == written


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (pa.array([1001], pa.timestamp("ns")), "holds 1970-01-01 00:00:00.000001001, which Postgres has no time for"),
        (pa.array([5], pa.time64("ns")), "holds 00:00:00.000000005, which Postgres has no time for"),
        (pa.array([(0, 0, 3)], pa.month_day_nano_interval()), "holds 3 nanoseconds, which Postgres has no time for"),
        (pa.array([-(1 << 63)], pa.timestamp("us")), "holds a time that Postgres does not have"),
        (pa.array([-(1 << 31)], pa.date32()), "holds a time that Postgres does not have"),
        (pa.array([(1 << 31) - 1], pa.date32()), "holds a time that Postgres does not have"),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array) else "",
)
def test_what_postgres_cannot_hold_is_refused_by_its_column(values: pa.Array, message: str, session: Session) -> None:
    with pytest.raises(StatementError, match=f"^the column `value` {message}"):
        stored(session, values)


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("date '-infinity'", "holds -infinity, which no date32\\[day\\] of Arrow is"),
        ("timestamp 'infinity'", "holds infinity, which no timestamp\\[us\\] of Arrow is"),
        ("timestamptz '-infinity'", "holds -infinity, which no timestamp\\[us, tz=UTC\\] of Arrow is"),
        ("timestamp '294276-12-31'", "holds 294276-12-31, which no timestamp\\[us\\] of Arrow is"),
        ("time '24:00'", "holds 24:00:00, which no time64\\[us\\] of Arrow is"),
        ("'NaN'::numeric", "holds NaN, which does not fit decimal\\(38, 18\\) exactly"),
        ("1e30", "holds 1000000000000000000000000000000, which does not fit decimal\\(38, 18\\) exactly"),
        ("1.0000000000000000001", "holds 1.0000000000000000001, which does not fit decimal\\(38, 18\\) exactly"),
    ],
)
def test_what_arrow_cannot_hold_is_refused_by_its_column(expression: str, message: str, session: Session) -> None:
    with pytest.raises(StatementError, match=f"^the column `value` {message}"):
        session.batches(
            f"select case when i = 700 then {expression} end as value from generate_series(1, 1000) i"
        ).read_all()
    assert session.rows("select 1").rows == ((1,),)


@pytest.mark.parametrize(
    ("expression", "kind", "value"),
    [
        ("inet '1.2.3.4'", pa.string(), "1.2.3.4"),
        ("array[1, null]", pa.string(), "{1,NULL}"),
        ("row(null, null)", pa.string(), "(,)"),
        ("'ab'::char(5)", pa.string(), "ab   "),
        ("'{\"a\": 1}'::jsonb", pa.string(), '{"a": 1}'),
        ("interval '1 month -3 hours'", pa.string(), "1 mon -03:00:00"),
        ("7::oid", pa.int64(), 7),
        ("null::inet", pa.string(), None),
        ("null", pa.string(), None),
    ],
)
def test_what_arrow_has_no_like_of_is_text(expression: str, kind: pa.DataType, value: object, session: Session) -> None:
    (column,) = session.batches(f"select {expression} as value").read_all().columns
    assert (column.type, column.to_pylist()) == (kind, [value])


def test_many_rows_arrive_in_batches_and_in_order(session: Session) -> None:
    numbers = pa.array(range(MANY))
    texts = pa.array([None if number % 3 == 0 else str(number) * (number % 7) for number in range(MANY)])
    session.load(MADE, pa.table({"number": numbers, "text": texts}).to_reader())
    back = session.batches(f"select text, number from {MADE.sql} order by number")
    batches = list(back)
    assert len(batches) > 1
    table = pa.Table.from_batches(batches)
    assert table["number"].combine_chunks().equals(numbers)
    assert table["text"].combine_chunks().equals(texts)


def test_rows_of_more_bytes_than_go_at_once_arrive(session: Session) -> None:
    texts = pa.array([bytes([65 + number]).decode() * (9 << 20) for number in range(16)])
    session.load(MADE, pa.table({"text": texts}).to_reader())
    assert session.rows(f"select sum(length(text)), count(distinct text) from {MADE.sql}").rows == (
        (16 * (9 << 20), 16),
    )
    assert (
        session.batches(f"select text from {MADE.sql} order by text").read_all()["text"].combine_chunks().equals(texts)
    )


def test_a_fault_of_the_server_amid_the_rows_is_told_and_the_session_goes_on(session: Session) -> None:
    rows = session.batches(f"select 1 / ({MANY // 2} - i) as value from generate_series(1, {MANY}) i")
    with pytest.raises(StatementError, match="division by zero"):
        rows.read_all()
    assert session.rows("select 1").rows == ((1,),)


def test_rows_that_nobody_reads_to_their_end_do_not_hold_the_session(session: Session) -> None:
    rows = session.batches(f"select i from generate_series(1, {10 * MANY}) i")
    assert rows.read_next_batch().num_rows
    rows.close()
    del rows
    assert session.rows("select 1").rows == ((1,),)


def test_rows_in_memory_hold_times_that_python_does_not_have_as_text(session: Session) -> None:
    rows = session.rows(
        "select date 'infinity', date '0044-03-15 BC', timestamp '-infinity', timestamptz '294276-12-31 00:00+00',"
        " time '24:00', date '2020-02-29', null::date"
    ).rows
    assert rows == (
        ("infinity", "0044-03-15 BC", "-infinity", "294276-12-31 00:00:00+00", "24:00:00", date(2020, 2, 29), None),
    )
