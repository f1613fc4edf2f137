"""From the columns of a pandas frame to Arrow: each exactly, or refused with its first bad row."""

import datetime as dt
import decimal
from collections.abc import Sequence
from math import isnan
from typing import Any

from sqlflow_python.types import Refused, first_misfit

_WORDS = {
    bool: "bool", int: "int", float: "float", str: "str", bytes: "bytes", dict: "dict", list: "list",
    dt.datetime: "datetime", dt.date: "date", dt.time: "time", dt.timedelta: "timedelta", decimal.Decimal: "Decimal",
}  # fmt: skip


def arrow_column(series: Any, column: str) -> Any:
    """Return a pandas column as an Arrow array. Raise Refused for what would not arrive as it is."""
    import numpy as np
    import pandas as pd

    dtype = series.dtype
    if isinstance(dtype, pd.SparseDtype):
        raise Refused(f"the column `{column}` is sparse", f'make it dense: `frame["{column}"].sparse.to_dense()`')
    if isinstance(dtype, (pd.PeriodDtype, pd.IntervalDtype)):
        raise Refused(f"the column `{column}` is `{dtype}`, which no table can hold", "make text or times of it")
    if isinstance(dtype, pd.CategoricalDtype):
        return _categories(series, column)
    if isinstance(dtype, np.dtype):
        return _numpy_column(series, column)
    return _converted(series, column)


def _categories(series: Any, column: str) -> Any:
    """Return a column of categories: as a dictionary if these are text, else as its values."""
    import pyarrow as pa
    import pyarrow.types as is_

    categories = series.dtype.categories
    if len(categories):
        levels = arrow_column(categories.to_series(), column)
        if is_.is_string(levels.type) or is_.is_large_string(levels.type):
            codes = series.cat.codes.to_numpy()
            return pa.DictionaryArray.from_arrays(pa.array(codes, pa.int32(), mask=codes < 0), levels)
    return arrow_column(series.astype(categories.dtype), column)


def _numpy_column(series: Any, column: str) -> Any:
    kind = series.dtype.kind
    if kind == "O":
        return _object_column(series.to_numpy(), column)
    if kind == "c":
        raise Refused(f"the column `{column}` holds complex numbers", "make two columns of it")
    if kind == "V":
        raise Refused(f"the column `{column}` is `{series.dtype}`, which no table can hold")
    if series.dtype.name in ("float128", "longdouble"):
        raise Refused(f"the column `{column}` is `{series.dtype}`, which no table can hold", 'use `astype("float64")`')
    array = _converted(series, column)
    return _microseconds(array, column) if kind in "mM" else array


def _converted(series: Any, column: str) -> Any:
    import pyarrow as pa

    try:
        return pa.array(series, from_pandas=True)
    except UnicodeEncodeError as error:
        raise _not_utf8(series.to_numpy(), column) from error
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError, TypeError) as error:
        raise Refused(f"the column `{column}` is `{series.dtype}`, which cannot be converted: {error}") from error


def _microseconds(array: Any, column: str) -> Any:
    """Return times of numpy, which are of nanoseconds by habit, as microseconds, if none is lost by it."""
    import pyarrow as pa

    unit = "us" if array.type.unit == "ns" else array.type.unit
    wanted = pa.timestamp(unit, array.type.tz) if pa.types.is_timestamp(array.type) else pa.duration("us")
    try:
        return array.cast(wanted)
    except pa.ArrowInvalid as error:
        where = first_misfit(array, wanted, column)
        hint = (
            f'round it, as `frame["{column}"].dt.floor("us")`, or keep nanoseconds: `astype("timestamp[ns][pyarrow]")`'
        )
        raise Refused(f"{where}: the time holds nanoseconds", hint) from error


def _object_column(values: Any, column: str) -> Any:
    """Return a column of Python objects, all of one type, as Arrow."""
    kinds = set(map(type, values))
    present = {kind for kind in kinds if not _is_missing_type(kind)}
    if float in present and len(present) > 1 and all(map(isnan, filter(_is_float, values))):
        present.discard(float)  # NaN stands for a missing value beside objects of another type
    plain = {_plain_kind(kind, column, values) for kind in present}
    if not plain:
        raise Refused(
            f"the column `{column}` holds nothing that tells its type",
            f'give it one: `frame["{column}"].astype("string[pyarrow]")`, or `"int64[pyarrow]"`, …',
        )
    if len(plain) > 1:
        raise _mixed(values, column)
    (kind,) = plain
    return _of_kind(values, kind, column)


def _is_missing_type(kind: type) -> bool:
    return kind.__name__ in ("NoneType", "NAType", "NaTType")


def _is_float(value: Any) -> bool:
    return type(value) is float


def _is_missing(value: Any) -> bool:
    return _is_missing_type(type(value)) or (type(value) is float and isnan(value))


def _plain_kind(kind: type, column: str, values: Any) -> type:
    """Return the Python type that a type of an object stands for."""
    import numpy as np

    if issubclass(kind, (bool, np.bool_)):
        return bool
    if issubclass(kind, (int, np.integer)):
        return int
    if issubclass(kind, (float, np.floating)):
        return float
    if issubclass(kind, (list, tuple, np.ndarray)) and not hasattr(kind, "_fields"):
        return list
    for known in (str, bytes, dict, dt.datetime, dt.date, dt.time, dt.timedelta, decimal.Decimal):
        if issubclass(kind, known):
            return known
    if issubclass(kind, np.datetime64):
        return dt.datetime
    row = next(number for number, value in enumerate(values, 1) if type(value) is kind)
    name = kind.__name__
    raise Refused(
        f"the column `{column}`, row {row}: `{name}` cannot be stored", "make text, a number, a list or a dict of it"
    )


def _mixed(values: Any, column: str) -> Refused:
    first: type | None = None
    for number, value in enumerate(values, 1):
        if _is_missing(value):
            continue
        kind = _plain_kind(type(value), column, values)
        if first is None:
            first = kind
        elif kind is not first:
            words = f"`{_WORDS[kind]}` after `{_WORDS[first]}`"
            return Refused(f"the column `{column}` is mixed: row {number} is {words}", "make all values of one type")
    return Refused(f"the column `{column}` is mixed", "make all values of one type")


def _of_kind(values: Any, kind: type, column: str) -> Any:
    import pyarrow as pa

    if kind is dt.datetime:
        return _times(values, column)
    if kind is int:
        return _integers(values, column)
    if kind is decimal.Decimal:
        _check_decimals(values, column)
    if kind is list or kind is dict:
        _check_nested([None if _is_missing(value) else value for value in values], column)
    try:
        if kind is list:
            plain = [None if _is_missing(value) else list(value) for value in values]
            return pa.array(plain, from_pandas=False)
        return pa.array(values, from_pandas=True)
    except UnicodeEncodeError as error:
        raise _not_utf8(values, column) from error
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError) as error:
        raise Refused(f"the column `{column}` cannot be converted: {error}") from error


def _integers(values: Any, column: str) -> Any:
    import pyarrow as pa

    plain = [None if _is_missing(value) else int(value) for value in values]
    present = [value for value in plain if value is not None]
    low, high = min(present), max(present)
    if low >= -(2**63) and high < 2**63:
        return pa.array(plain, pa.int64())
    if low >= 0 and high < 2**64:
        return pa.array(plain, pa.uint64())
    row = next(row for row, value in enumerate(plain, 1) if value is not None and not -(2**63) <= value < 2**63)
    raise Refused(
        f"the column `{column}`, row {row}: the integer is out of range: 64 bits at most", "use Decimal, or text"
    )


def _check_decimals(values: Any, column: str) -> None:
    whole = scale = 0
    for row, value in enumerate(values, 1):
        if _is_missing(value):
            continue
        if not value.is_finite():
            raise Refused(f"the column `{column}`, row {row}: the decimal is `{value}`, not a number", "use floats")
        _, digits, exponent = value.as_tuple()
        scale = max(scale, -exponent)
        whole = max(whole, len(digits) + exponent)
        if max(whole, 0) + scale > 38:
            raise Refused(f"the column `{column}`, row {row}: the decimal is out of range: 38 digits at most")


def _times(values: Any, column: str) -> Any:
    """Return datetimes that are all of one zone, or of none; zones that differ are different wall clocks."""
    import pandas as pd
    import pyarrow as pa

    first: tuple[Any] | None = None
    plain: list[dt.datetime | None] = []
    for row, value in enumerate(values, 1):
        if _is_missing(value):
            plain.append(None)
            continue
        time = pd.Timestamp(value)
        zone = None if time.tzinfo is None else str(time.tzinfo)
        if first is None:
            first = (zone,)
        if zone != first[0]:
            other, this = (f"`{one}`" if one else "no zone" for one in (first[0], zone))
            message = (
                f"the column `{column}` mixes times: row {row} has {this}, those before have {other}: one time zone"
            )
            raise Refused(message, "use `pd.to_datetime(…, utc=True)`")
        if time.nanosecond:
            raise Refused(f"the column `{column}`, row {row}: the time holds nanoseconds", "round it to microseconds")
        plain.append(time.to_pydatetime())
    return pa.array(plain, pa.timestamp("us", "UTC" if first and first[0] else None))


def _check_nested(values: Sequence[Any], column: str) -> None:
    """Refuse dicts of differing keys and lists of differing types, which engines would make one of in silence."""
    shape: Any = None
    for row, value in enumerate(values, 1):
        if value is None:
            continue
        found = _shape(value, column, row)
        merged = _merged(shape, found)
        if merged is None:
            if isinstance(value, dict) and isinstance(shape, dict) and set(value) != set(shape):
                hint = "give every dict the same keys, None where there is no value"
                raise Refused(f"the column `{column}`, row {row}: the dict has other keys than those before", hint)
            what = "dict" if isinstance(value, dict) else "list"
            message = f"the column `{column}`, row {row}: the {what} is mixed: it holds other types than those before"
            raise Refused(message, "make all values of one type")
        shape = merged


_ANY = "any"
"""The shape of a value that is missing, and of what an empty list holds."""


def _shape(value: Any, column: str, row: int) -> Any:
    if _is_missing(value):
        return _ANY
    if isinstance(value, dict):
        if any(not isinstance(key, str) for key in value):
            raise Refused(f"the column `{column}`, row {row}: a dict's keys must be text")
        return {key: _shape(item, column, row) for key, item in value.items()}
    if _plain_kind(type(value), column, [value]) is list:
        inner: Any = _ANY
        for item in value:
            inner = _merged(inner, _shape(item, column, row))
            if inner is None:
                raise Refused(f"the column `{column}`, row {row}: the list is mixed", "make all its values of one type")
        return [inner]
    return _WORDS.get(_plain_kind(type(value), column, [value]), "")


def _merged(one: Any, other: Any) -> Any:
    """Return the shape that both have, or None."""
    if one is None or other == _ANY:
        return other if one is None else one
    if one == _ANY:
        return other
    if isinstance(one, dict) and isinstance(other, dict):
        merged = {key: _merged(one[key], other[key]) for key in one} if set(one) == set(other) else None
        return None if merged is None or None in merged.values() else merged
    if isinstance(one, list) and isinstance(other, list):
        inner = _merged(one[0], other[0])
        return None if inner is None else [inner]
    return one if one == other else None


def _not_utf8(values: Any, column: str) -> Refused:
    for row, value in enumerate(values, 1):
        if isinstance(value, str):
            try:
                value.encode()
            except UnicodeEncodeError:
                hint = 'clean it, as `text.encode("utf-8", "replace").decode()`'
                return Refused(
                    f"the column `{column}`, row {row}: the text is not UTF-8: it holds half a character", hint
                )
    return Refused(f"the column `{column}` holds text that is not UTF-8")
