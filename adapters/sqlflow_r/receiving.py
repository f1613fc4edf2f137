"""R's files of raw columns as Arrow batches: see `frames.R` for their form."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from sqlflow.core.runtime import levels_of
from sqlflow_r.sending import DAYS_FOREVER, MICROS_FOREVER, NA_INTEGER, NA_INTEGER64, Refused, Values, in_micros

if TYPE_CHECKING:
    import pyarrow as pa

_DAY = 86_400 * 1_000_000
_MICROS_AT_MOST = 9.2e12
"""In seconds: further away no time stamp of 64 bits reaches."""


class _Slice(Struct, frozen=True):
    """Some rows of a column: what R told of it, and where they stand in its files."""

    folder: Path
    about: dict[str, Any]
    chunk: int
    """The number of the chunk that these rows are."""
    start: int
    rows: int

    def values(self, kind: str) -> Values:
        width = np.dtype(kind).itemsize
        return np.fromfile(self.folder / f"{self.about['number']}.data", kind, self.rows, offset=self.start * width)

    def content(self) -> Values:
        """The bytes of texts and blobs."""
        start = int(self.about["ends"][self.chunk - 1]) if self.chunk else 0
        count = int(self.about["ends"][self.chunk]) - start
        return np.fromfile(self.folder / f"{self.about['number']}.data", "u1", count, offset=start)

    def beside(self, kind: str) -> Values:
        """What the file beside the values says of each row."""
        width = np.dtype(kind).itemsize
        return np.fromfile(self.folder / f"{self.about['number']}.null", kind, self.rows, offset=self.start * width)

    def refuse(self, odd: Values, what: str, hint: str) -> None:
        """Raise Refused, with the first odd row, if there is one."""
        rows = np.flatnonzero(odd)
        if len(rows):
            where = f"{'value' if self.about['inside'] else 'row'} {self.start + int(rows[0]) + 1}"
            raise Refused(f"column `{self.about['name']}` holds {what} in {where}", hint)


def schema(told: dict[str, Any]) -> "pa.Schema":
    """Return the schema of a result."""
    import pyarrow as pa

    return pa.schema([pa.field(about["name"], _type(about), metadata=_levels(about)) for about in told["columns"]])


def _levels(about: dict[str, Any]) -> dict[bytes, bytes] | None:
    """Return the metadata of a factor whose levels are all texts."""
    return levels_of(about["levels"]) if about["kind"] == "factor" and about["named"] else None


def _type(about: dict[str, Any]) -> "pa.DataType":
    import pyarrow as pa

    kinds = {
        "logical": pa.bool_(), "integer": pa.int32(), "integer64": pa.int64(), "double": pa.float64(),
        "character": pa.large_string(), "blob": pa.large_binary(), "factor": pa.dictionary(pa.int32(), pa.string()),
        "date": pa.date32(), "time": pa.time64("us"),
    }  # fmt: skip
    match about["kind"]:
        case "datetime":
            return pa.timestamp("us", tz="UTC" if about["zone"] else None)
        case "list":
            return pa.large_list(_type(about["children"][0]))
        case "struct":
            return pa.struct([(child["field"], _type(child)) for child in about["children"]])
    return kinds[about["kind"]]


def batches(told: dict[str, Any], folder: Path) -> "Iterator[pa.RecordBatch]":
    """Yield the rows of a result. Raise Refused for a value that has no exact form outside of R."""
    import pyarrow as pa

    kinds = schema(told)
    for chunk, start in enumerate(range(0, int(told["rows"]), int(told["chunk"]))):
        rows = min(int(told["chunk"]), int(told["rows"]) - start)
        slices = [_Slice(folder, about, chunk, start, rows) for about in told["columns"]]
        yield pa.record_batch([_read(one) for one in slices], schema=kinds)


def _read(one: _Slice) -> "pa.Array":
    return _READERS[one.about["kind"]](one)


def _array(kind: "pa.DataType", values: Values, missing: Values) -> "pa.Array":
    import pyarrow as pa

    return pa.Array.from_buffers(kind, len(missing), [_bitmap(missing), pa.py_buffer(np.ascontiguousarray(values))])


def _bitmap(missing: Values) -> "pa.Buffer | None":
    import pyarrow as pa

    return pa.py_buffer(np.packbits(~missing, bitorder="little")) if missing.any() else None


def _logical(one: _Slice) -> "pa.Array":
    import pyarrow as pa

    values = one.values("i4")
    return _array(pa.bool_(), np.packbits(values != 0, bitorder="little"), values == NA_INTEGER)


def _integer(one: _Slice) -> "pa.Array":
    import pyarrow as pa

    values = one.values("i4")
    return _array(pa.int32(), values, values == NA_INTEGER)


def _integer64(one: _Slice) -> "pa.Array":
    import pyarrow as pa

    values = one.values("i8")
    return _array(pa.int64(), values, values == NA_INTEGER64)


def _double(one: _Slice) -> "pa.Array":
    import pyarrow as pa

    values = one.values("f8")
    missing = np.isnan(values)
    if missing.any():
        missing &= values.view("u4")[0::2] == 1954
    return _array(pa.float64(), values, missing)


def _date(one: _Slice) -> "pa.Array":
    import pyarrow as pa

    values = one.values("f8")
    missing = np.isnan(values)
    values = np.where(missing, 0.0, values)
    days = np.where(np.isinf(values), np.sign(values) * DAYS_FOREVER, values)
    one.refuse(days != np.floor(days), "a part of a day", "round it with `floor()`, or convert it with `as.POSIXct()`")
    one.refuse(abs(days) > DAYS_FOREVER, "a date that is too far away", "")
    return _array(pa.date32(), days.astype("i4"), missing)


def _datetime(one: _Slice) -> "pa.Array":
    import pyarrow as pa

    values = one.values("f8")
    missing, forever = np.isnan(values), np.isinf(values)
    seconds = np.where(missing | forever, 0, values)
    one.refuse(abs(seconds) > _MICROS_AT_MOST, "a time that is too far away", "")
    micros = in_micros(seconds)
    micros[forever] = np.sign(values[forever]).astype("i8") * MICROS_FOREVER
    return _array(pa.timestamp("us", tz="UTC" if one.about["zone"] else None), micros, missing)


def _time(one: _Slice) -> "pa.Array":
    import pyarrow as pa

    values = one.values("f8")
    missing = np.isnan(values)
    one.refuse(abs(values) > _MICROS_AT_MOST, "no time of day", "")
    micros = in_micros(np.where(missing, 0, values))
    one.refuse((micros < 0) | (micros > _DAY), "no time of day", "it goes from 0 to 86400 seconds")
    return _array(pa.time64("us"), micros, missing)


def _factor(one: _Slice) -> "pa.Array":
    import pyarrow as pa

    return pa.DictionaryArray.from_arrays(_from_zero(one.values("i4")), pa.array(one.about["levels"], pa.string()))


def _from_zero(codes: Values) -> "pa.Array":
    """Return R's codes as the indices of a dictionary."""
    import pyarrow as pa

    missing = codes == NA_INTEGER
    return _array(pa.int32(), np.where(missing, 0, codes - np.int32(1)).astype("i4"), missing)


def _character(one: _Slice) -> "pa.Array":
    import pyarrow as pa

    content = one.content()
    if one.about["levels"][one.chunk]:
        return _coded(one, content)
    ends = np.flatnonzero(content == 0)
    offsets = np.zeros(one.rows + 1, "i8")
    offsets[1:] = ends - np.arange(one.rows)
    buffers = [_bitmap(one.beside("u1") == 1), pa.py_buffer(offsets), pa.py_buffer(content[content != 0])]
    return pa.Array.from_buffers(pa.large_string(), one.rows, buffers)


def _coded(one: _Slice, content: Values) -> "pa.Array":
    """Return texts of which each that comes again and again stands behind the codes of all rows."""
    import pyarrow as pa

    codes, texts = content[: 4 * one.rows].view("i4"), content[4 * one.rows :].tobytes()
    levels = pa.array(texts.decode().split("\0")[:-1], pa.large_string())
    return levels.take(_from_zero(codes))


def _list(one: _Slice) -> "pa.Array":
    import pyarrow as pa

    lengths, bounds = one.beside("i4"), one.about["bounds"]
    first, last = int(bounds[one.chunk]), int(bounds[one.chunk + 1])
    values = _read(_Slice(one.folder, one.about["children"][0], one.chunk, first, last - first))
    offsets = np.zeros(one.rows + 1, "i8")
    np.cumsum(np.maximum(lengths, 0), out=offsets[1:])
    buffers = [_bitmap(lengths < 0), pa.py_buffer(offsets)]
    return pa.Array.from_buffers(_type(one.about), one.rows, buffers, children=[values])


def _struct(one: _Slice) -> "pa.Array":
    import pyarrow as pa

    children = [_read(replace(one, about=child)) for child in one.about["children"]]
    return pa.StructArray.from_arrays(children, fields=list(_type(one.about)))


def _blob(one: _Slice) -> "pa.Array":
    import pyarrow as pa

    lengths = one.beside("i4")
    offsets = np.zeros(one.rows + 1, "i8")
    np.cumsum(np.maximum(lengths, 0), out=offsets[1:])
    buffers = [_bitmap(lengths < 0), pa.py_buffer(offsets), pa.py_buffer(one.content())]
    return pa.Array.from_buffers(pa.large_binary(), one.rows, buffers)


_READERS = {
    "logical": _logical, "integer": _integer, "integer64": _integer64, "double": _double, "character": _character,
    "blob": _blob, "list": _list, "struct": _struct, "factor": _factor, "date": _date, "datetime": _datetime, "time": _time,
}  # fmt: skip
