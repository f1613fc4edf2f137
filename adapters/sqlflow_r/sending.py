"""Arrow batches as files of raw columns, which R reads with `readBin`: see `frames.R` for their form."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sqlflow.core.errors import Problem

if TYPE_CHECKING:
    import pyarrow as pa

Values = np.ndarray[Any, Any]
NA_INTEGER = -(1 << 31)
NA_INTEGER64 = -(1 << 63)
NA_REAL = np.array([0x7FF00000000007A2], "u8").view("f8")[0]
"""R's NA is a NaN whose low word is 1954."""
EXACT = 1 << 53
"""Up to here a double holds every integer."""
DAYS_FOREVER = (1 << 31) - 1
MICROS_FOREVER = (1 << 63) - 1
"""What DuckDB and Arrow call infinity as a date and as a time stamp; R has Inf for both."""
MICROS_NEAR = (1 << 33) * 1_000_000
"""Up to here, from 1697 to 2242, a double of seconds tells every microsecond."""
_DECIMAL_DIGITS = 15
"""Up to so many digits, a decimal and the nearest double name each other."""
_SAMPLE = 10_000
_INSTALL = "install R's package bit64 (Debian: `apt install r-cran-bit64`), or cast the column"


class Refused(Exception):
    """A column that cannot cross."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.problem = Problem(message, hint=hint)


@dataclass(slots=True)
class Column:
    """A column on its way: what R must know to read it."""

    number: str
    """The name of its files: `2.1` is the first column inside of the second."""
    name: str
    kind: str
    zone: str = ""
    levels: tuple[str, ...] = ()
    nulls: bool = False
    chunks: list[dict[str, int]] = field(default_factory=list)
    path: str = ""
    """The name with those of the columns that it is in."""
    children: tuple["Column", ...] = ()

    def refuse(self, message: str, hint: str = "") -> Refused:
        return Refused(f"column `{self.path}` {message}", hint)

    def told(self) -> dict[str, Any]:
        return {
            "number": self.number, "name": self.name, "kind": self.kind, "zone": self.zone, "levels": list(self.levels),
            "nulls": self.nulls, "chunks": self.chunks, "children": [child.told() for child in self.children],
        }  # fmt: skip


def send(batches: "pa.RecordBatchReader", folder: Path, frame: str, bit64: bool) -> dict[str, Any]:
    """Write all rows below `folder` and return what R must know to read them.

    `frame` is a kind of frame, and perhaps the form of 64-bit integers. Raise Refused for what R cannot hold.
    """
    folder.mkdir(parents=True)
    kind, _, integers = frame.partition(" ")
    if integers == "integer64" and not bit64:
        raise Refused("`integer64` needs R's package bit64", _INSTALL)
    exact = bit64 and integers != "double"
    columns = [_column(str(number), field, exact) for number, field in enumerate(batches.schema, 1)]
    if kind == "data.table" and (struct := next((column for column in columns if column.kind == "struct"), None)):
        raise struct.refuse("is a struct, which no data.table holds", "unnest it in SQL, or take a data.frame")
    rows = 0
    for batch in batches:
        rows += batch.num_rows
        for column, array in zip(columns, batch.columns, strict=True):
            _append(column, array, folder)
    for column in columns:
        _touch(column, folder)
    return {"folder": str(folder), "frame": kind, "rows": rows, "columns": [column.told() for column in columns]}


def _touch(column: Column, folder: Path) -> None:
    (folder / f"{column.number}.data").touch()
    (folder / f"{column.number}.null").touch()
    for child in column.children:
        _touch(child, folder)


def _append(column: Column, array: "pa.Array", folder: Path) -> None:
    if column.kind == "struct":
        _append_fields(column, array, folder)
    elif column.kind == "list":
        _append_lists(column, array, folder)
    elif column.kind in ("character", "blob"):
        content, side = (_texts if column.kind == "character" else _blobs)(array, column)
        _add(folder, f"{column.number}.null", side)
        _add(folder, f"{column.number}.data", content)
    else:
        _add(folder, f"{column.number}.data", _ENCODERS[column.kind](array, column))


def _add(folder: Path, name: str, content: Any) -> None:
    with (folder / name).open("ab") as file:
        file.write(content)


def _append_fields(column: Column, array: "pa.StructArray", folder: Path) -> None:
    if array.null_count:
        raise column.refuse("holds a struct that is NULL, and R has only such whose fields are", "unnest it in SQL")
    for child, values in zip(column.children, array.flatten(), strict=True):
        _append(child, values, folder)


def _append_lists(column: Column, array: "pa.ListArray", folder: Path) -> None:
    import pyarrow as pa
    import pyarrow.compute as pc

    _add(folder, f"{column.number}.null", _filled(pc.list_value_length(array).cast(pa.int32()), -1))
    _append(column.children[0], array.flatten(), folder)


def _column(number: str, field: "pa.Field", exact: bool, path: str = "") -> Column:
    """Return how a column of this type crosses. Raise Refused for a type that R has no exact form of."""
    from pyarrow import types

    def column(kind: str, zone: str = "") -> Column:
        return Column(number, field.name, kind, zone, path=path or field.name)

    kind = field.type
    if types.is_null(kind) or types.is_boolean(kind):
        return column("logical")
    if types.is_int32(kind) or (types.is_integer(kind) and kind.bit_width < 32):
        return column("integer")
    if types.is_uint32(kind) or types.is_floating(kind) or types.is_decimal(kind):
        return column("double")
    if types.is_integer(kind):
        return column("integer64" if exact else "double")
    if types.is_string(kind) or types.is_large_string(kind):
        return column("character")
    if types.is_binary(kind) or types.is_large_binary(kind):
        return column("blob")
    if types.is_dictionary(kind) and (types.is_string(kind.value_type) or types.is_large_string(kind.value_type)):
        return column("factor")
    if types.is_date(kind):
        return column("date")
    if types.is_time(kind):
        return column("time")
    if types.is_timestamp(kind):
        return column("datetime", "UTC" if kind.tz else "")
    return _nested(number, field, exact, path or field.name)


def _nested(number: str, field: "pa.Field", exact: bool, path: str) -> Column:
    from pyarrow import types

    kind = field.type
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        child = _column(f"{number}.1", kind.value_field, exact, f"{path}[]")
        return Column(number, field.name, "list", path=path, children=(child,))
    if types.is_struct(kind):
        children = tuple(
            _column(f"{number}.{nth}", inner, exact, f"{path}.{inner.name}") for nth, inner in enumerate(kind, 1)
        )
        return Column(number, field.name, "struct", path=path, children=children)
    hint = "unnest it in SQL, or cast it to text or a number first"
    raise Refused(f"column `{path}` is `{kind}`, which R's data frames do not hold", hint)


def _logicals(array: "pa.Array", column: Column) -> Values:
    import pyarrow as pa

    return _filled(array.cast(pa.int32()), NA_INTEGER)


def _integers(array: "pa.Array", column: Column) -> Values:
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_int32(array.type) and pc.min(array).as_py() == NA_INTEGER:
        raise column.refuse(f"holds {NA_INTEGER}, which is R's NA", "cast it to bigint or double")
    return _filled(array.cast(pa.int32()), NA_INTEGER)


def _doubles(array: "pa.Array", column: Column) -> Values:
    import pyarrow as pa
    from pyarrow import types

    if types.is_decimal(array.type):
        return _decimals(array, column)
    if types.is_integer(array.type) and not types.is_uint32(array.type):
        return _longs(array, column)
    values = _filled(array.cast(pa.float64()), 0.0)
    if array.null_count or np.isnan(values).any():
        values = np.where(np.isnan(values), np.nan, values)
        values[_missing(array)] = NA_REAL
    return values


def _longs(array: "pa.Array", column: Column) -> Values:
    import pyarrow as pa
    import pyarrow.compute as pc

    bounds = pc.min_max(array).as_py()
    low, high = bounds["min"] or 0, bounds["max"] or 0
    if column.kind == "integer64" and low > NA_INTEGER64 and high <= MICROS_FOREVER:
        return _filled(array.cast(pa.int64()), NA_INTEGER64)
    beyond = low if -low > high else high
    if column.kind == "integer64":
        raise column.refuse(f"holds {beyond}, which is more than 64 bits with a sign and an NA", "cast it to text")
    if abs(beyond) > EXACT:
        raise column.refuse(f"holds {beyond}, and doubles are exact up to {EXACT} alone", _INSTALL)
    return _with_na(_filled(array, 0).astype("f8"), array)


def _decimals(array: "pa.Array", column: Column) -> Values:
    """Return decimals as the nearest doubles, where these say which decimals they were."""
    import pyarrow as pa

    scale = array.type.scale
    if array.type.bit_width != 128:
        array = array.cast(pa.decimal128(38, scale))
    halves = np.frombuffer(array.buffers()[1] or b"", "i8")[2 * array.offset : 2 * (array.offset + len(array))]
    low = np.where(_missing(array), 0, halves[0::2])
    high = np.where(_missing(array), 0, halves[1::2])
    bound = EXACT if scale == 0 else 10**_DECIMAL_DIGITS
    odd = np.flatnonzero((high != low >> 63) | (low > bound) | (low < -bound))
    if len(odd):
        hint = "cast it to double, which rounds, or to text"
        raise column.refuse(f"holds {array[int(odd[0])].as_py()}, which has more digits than a double can tell", hint)
    return _with_na(low / 10.0**scale, array)


def _codes(array: "pa.Array", column: Column) -> Values:
    levels = tuple(array.dictionary.to_pylist())
    column.levels = column.levels or levels
    if column.levels != levels:
        raise column.refuse("changes its levels on the way", "cast it to text")
    return _from_one(array.indices)


def _from_one(indices: "pa.Array") -> Values:
    """Return the codes of a dictionary as R counts them."""
    import pyarrow as pa

    codes = _filled(indices.cast(pa.int32()), -1) + np.int32(1)
    codes[_missing(indices)] = NA_INTEGER
    return codes


def _days(array: "pa.Array", column: Column) -> Values:
    import pyarrow as pa

    days = _filled(array.cast(pa.date32()).cast(pa.int32()), 0)
    return _with_na(_forever(days.astype("f8"), days, DAYS_FOREVER), array)


def _seconds(array: "pa.Array", column: Column) -> Values:
    micros = _micros(array, column)
    if len(micros) and np.abs(micros).max() < MICROS_NEAR:
        return _with_na(micros / 1e6, array)
    seconds = _forever(in_seconds(micros), micros, MICROS_FOREVER)
    _refuse_rounded(
        micros, np.where(np.isinf(seconds), micros, in_micros(np.where(np.isinf(seconds), 0, seconds))), array, column
    )
    return _with_na(seconds, array)


def _seconds_of_day(array: "pa.Array", column: Column) -> Values:
    return _with_na(in_seconds(_micros(array, column)), array)


def _micros(array: "pa.Array", column: Column) -> Values:
    """Return times as microseconds; a nanosecond that would be lost is refused."""
    import pyarrow as pa

    unit = array.type.unit
    raw = _filled(array.cast(pa.int32() if array.type.bit_width == 32 else pa.int64()), 0).astype("i8")
    forever = abs(raw) == MICROS_FOREVER
    if unit == "ns":
        _refuse_rounded(raw, np.where(forever, raw, raw // 1000 * 1000), array, column)
        return np.where(forever, raw, raw // 1000)
    return np.where(forever, raw, raw * {"s": 1_000_000, "ms": 1000, "us": 1}[unit])


def _refuse_rounded(values: Values, back: Values, array: "pa.Array", column: Column) -> None:
    odd = np.flatnonzero((values != back) & ~_missing(array))
    if len(odd):
        hint = "round it with `date_trunc`, or cast it to text"
        raise column.refuse(f"holds {array[int(odd[0])].cast('string').as_py()}, which R's times would round", hint)


def _forever(values: Values, whole: Values, last: int) -> Values:
    values[whole == last] = np.inf
    values[whole == -last] = -np.inf
    return values


def in_seconds(micros: Values) -> Values:
    """Return microseconds as the nearest double of seconds."""
    whole = micros // 1_000_000
    seconds: Values = whole + (micros - whole * 1_000_000) / 1e6
    return seconds


def in_micros(seconds: Values) -> Values:
    """Return seconds as the nearest integer of microseconds: the whole part by itself, so that nothing is rounded twice."""
    whole = np.floor(seconds)
    micros: Values = whole.astype("i8") * 1_000_000 + np.rint((seconds - whole) * 1e6).astype("i8")
    return micros


def _with_na(values: Values, array: "pa.Array") -> Values:
    if array.null_count:
        values[_missing(array)] = NA_REAL
    return values


def _filled(array: "pa.Array", value: float) -> Values:
    """Return the values of an array of numbers, with `value` for NULL."""
    filled: np.ndarray[Any, Any] = array.fill_null(value).to_numpy(zero_copy_only=False)
    return filled


def _missing(array: "pa.Array") -> Values:
    missing: np.ndarray[Any, Any] = array.is_null().to_numpy(zero_copy_only=False)
    return missing


def _texts(array: "pa.Array", column: Column) -> tuple[Any, bytes]:
    """Return texts, each ended by NUL, and a byte for each that is 1 for NULL.

    Texts that come again and again are written once, behind a code for each row.
    """
    levels = _few(array)
    if levels is None:
        column.nulls = column.nulls or array.null_count > 0
        content = _ended(array, column)
        column.chunks.append({"rows": len(array), "bytes": memoryview(content).nbytes, "levels": 0})
        return content, _missing(array).astype("u1").tobytes()
    texts = bytes(_ended(levels.dictionary, column))
    column.chunks.append({"rows": len(array), "bytes": len(texts), "levels": len(levels.dictionary)})
    return _from_one(levels.indices).tobytes() + texts, bytes(len(array))


def _few(array: "pa.Array") -> "pa.DictionaryArray | None":
    """Return texts as codes, if there are few of them that come again and again."""
    sample = array.slice(0, _SAMPLE)
    if len(sample) < _SAMPLE // 100 or len(sample.unique()) * 2 > len(sample):
        return None
    coded = array.dictionary_encode()
    return coded if 0 < len(coded.dictionary) * 4 < len(array) else None


def _ended(array: "pa.Array", column: Column) -> Any:
    """Return the bytes of texts, each ended by NUL."""
    import pyarrow as pa
    import pyarrow.compute as pc

    filled = array.cast(pa.large_string()).fill_null("")
    ended = pc.binary_join_element_wise(filled, *(pa.scalar(one, pa.large_string()) for one in ("", "\0")))
    content = _content(ended)
    if np.count_nonzero(np.frombuffer(content, "u1") == 0) != len(array):
        row = int(np.flatnonzero(pc.match_substring(filled, "\0").to_numpy(zero_copy_only=False))[0])
        raise column.refuse(
            f"holds a NUL, as in {array[row].as_py()[:40]!r}, which no text of R can", "cast it to blob"
        )
    return content


def _blobs(array: "pa.Array", column: Column) -> tuple[Any, bytes]:
    """Return all bytes, and the length of each value: -1 for NULL."""
    import pyarrow as pa
    import pyarrow.compute as pc

    column.chunks.append({"rows": len(array), "bytes": 0, "levels": 0})
    lengths = _filled(pc.binary_length(array).cast(pa.int32()), -1)
    return _content(array.cast(pa.large_binary()).fill_null(b"")), lengths.tobytes()


def _content(array: "pa.Array") -> Any:
    """Return the bytes of all values of a large array, one behind the other."""
    _, offsets, data = array.buffers()
    if data is None:
        return b""
    ends = np.frombuffer(offsets, "i8")[array.offset : array.offset + len(array) + 1]
    return memoryview(data)[int(ends[0]) : int(ends[-1])] if len(array) else b""


_ENCODERS: dict[str, Callable[["pa.Array", Column], Values]] = {
    "logical": _logicals, "integer": _integers, "integer64": _longs, "double": _doubles, "factor": _codes, "date": _days,
    "time": _seconds_of_day, "datetime": _seconds,
}  # fmt: skip
