"""Arrow and Postgres: which type is which."""

import re
from typing import TYPE_CHECKING

from sqlflow.core.errors import StatementError

if TYPE_CHECKING:
    import pyarrow as pa

DIGITS = 38
_DECIMALS = 18
"""Of a numeric without a precision. What does not fit is refused, and not rounded."""
_KEPT_AS_TEXT = ("text", "character varying", "character", "name", "json", "jsonb", "uuid")
_SIZED = re.compile(r"numeric\((?P<precision>\d+),(?P<scale>-?\d+)\)")


def ddl_type(kind: "pa.DataType") -> str:
    """Return the Postgres type that holds every value of an Arrow type. Raise StatementError if there is none."""
    import pyarrow.types as t

    if t.is_dictionary(kind):
        return ddl_type(kind.value_type)
    if t.is_decimal(kind):
        return f"numeric({kind.precision},{kind.scale})"
    if t.is_timestamp(kind):
        return "timestamp with time zone" if kind.tz else "timestamp without time zone"
    for holds, name in _PLAIN:
        if getattr(t, f"is_{holds}")(kind):
            return name
    if "uuid" in str(kind):
        return "uuid"
    raise StatementError(f"a column of the Arrow type {kind} has no Postgres type")


_PLAIN = (
    ("boolean", "boolean"), ("int8", "smallint"), ("int16", "smallint"), ("int32", "integer"), ("int64", "bigint"),
    ("uint8", "smallint"), ("uint16", "integer"), ("uint32", "bigint"), ("uint64", "numeric(20,0)"),
    ("float16", "real"), ("float32", "real"), ("float64", "double precision"), ("date", "date"), ("time", "time without time zone"),
    ("string", "text"), ("large_string", "text"), ("string_view", "text"), ("null", "text"), ("binary", "bytea"),
    ("large_binary", "bytea"), ("binary_view", "bytea"), ("fixed_size_binary", "bytea"), ("duration", "interval"),
    ("interval", "interval"), ("nested", "jsonb"),
)  # fmt: skip


def is_exact(kind: str) -> bool:
    """Tell whether Arrow holds a Postgres type as what it is: the others are text there, as Postgres writes them."""
    import pyarrow as pa

    return arrow_type(kind) != pa.string() or unsized(kind) in _KEPT_AS_TEXT


def arrow_type(kind: str) -> "pa.DataType":
    """Return the Arrow type of a Postgres type; what Arrow has no like of is text, as Postgres writes it."""
    import pyarrow as pa

    sized = decimal(kind)
    if sized:
        return pa.decimal128(*sized)
    plain = {
        "boolean": pa.bool_(), "smallint": pa.int16(), "integer": pa.int32(), "bigint": pa.int64(), "oid": pa.int64(),
        "real": pa.float32(), "double precision": pa.float64(), "date": pa.date32(), "bytea": pa.binary(),
        "timestamp without time zone": pa.timestamp("us"), "timestamp with time zone": pa.timestamp("us", "UTC"),
        "time without time zone": pa.time64("us"),
    }  # fmt: skip
    return plain.get(unsized(kind), pa.string())


def unsized(kind: str) -> str:
    return re.sub(r"\(\d+\)", "", kind)


def decimal(kind: str) -> tuple[int, int] | None:
    """Return the precision and the scale of the decimal that a numeric travels as; None for another type."""
    sized = _SIZED.fullmatch(kind)
    if not sized:
        return (DIGITS, _DECIMALS) if kind == "numeric" else None
    precision, scale = int(sized["precision"]), int(sized["scale"])
    return min(max(precision, scale, precision - scale), DIGITS), min(max(scale, 0), DIGITS)
