"""The values that the suite sends through an engine."""

from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

import pyarrow as pa

TEXTS = [
    "",
    " ",
    "null",
    "NULL",
    "\\N",
    "\\",
    '"',
    "'",
    ",",
    "a\nb",
    "a\r\nb",
    "\t",
    "é",
    "日本",
    "👩‍👩‍👧",
    "𝔘",
    "x" * 100_000,
]
EXACT: dict[str, tuple[pa.DataType, list[Any]]] = {
    "bool": (pa.bool_(), [True, False]),
    "int16": (pa.int16(), [-(2**15), 2**15 - 1]),
    "int32": (pa.int32(), [-(2**31), 2**31 - 1]),
    "int64": (pa.int64(), [-(2**63), 2**63 - 1, 2**53 + 1]),
    "float32": (pa.float32(), [float("inf"), float("-inf"), 1.5, -0.0, 3.4028234663852886e38]),
    "float64": (pa.float64(), [float("inf"), float("-inf"), 0.1, 5e-324, 1.7976931348623157e308, -0.0]),
    "decimal": (pa.decimal128(38, 9), [Decimal("99999999999999999999999999999.999999999"), Decimal("-0.000000001")]),
    "text": (pa.string(), TEXTS),
    "bytes": (pa.binary(), [b"", b"\x00\xff\\x00", bytes(range(256))]),
    "date": (pa.date32(), [date(1, 1, 1), date(1582, 10, 15), date(2000, 2, 29), date(9999, 12, 31)]),
    "time": (pa.timestamp("us"), [datetime(1, 1, 1), datetime(1969, 12, 31, 23, 59, 59, 999999), datetime(9999, 12, 31, 23, 59, 59, 999999)]),
}  # fmt: skip
CARRIED = {
    "boolean": "true",
    "smallint": "-32768",
    "integer": "-7",
    "bigint": "9223372036854775807",
    "real": "0.25",
    "double precision": "-0.1",
    "decimal(18, 3)": "12345.678",
    "varchar": "'é ''quoted'' \\N'",
    "date": "'2026-02-28'",
    "timestamp": "'2026-02-28 12:34:56.123456'",
    "timestamp with time zone": "'2026-02-28 12:34:56+02'",
}
"""A value of each type that all engines have, as SQL: none of them may be refused to another engine."""
FROM_OTHERS: dict[str, tuple[pa.DataType, list[Any]]] = {
    "int8": (pa.int8(), [-128, 127]),
    "uint8": (pa.uint8(), [0, 255]),
    "uint16": (pa.uint16(), [0, 2**16 - 1]),
    "uint32": (pa.uint32(), [0, 2**32 - 1]),
    "uint64": (pa.uint64(), [0, 2**64 - 1]),
    "large text": (pa.large_string(), TEXTS),
    "large bytes": (pa.large_binary(), [b"", b"\x00\xff"]),
    "word of a list": (pa.dictionary(pa.int32(), pa.string()), ["placed", "shipped", "placed"]),
    "time of day": (pa.time64("us"), [time(0), time(23, 59, 59, 999999)]),
    "seconds": (pa.timestamp("s"), [datetime(1969, 12, 31, 23, 59, 59), datetime(2026, 2, 28)]),
}
"""Arrow types that engines carry their rows in, beside those that come back as they were."""
