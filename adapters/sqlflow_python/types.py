"""Which Arrow types a table can hold, and what is done with the others. Nothing is changed in silence."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

    Array = "pa.Array[Any] | pa.ChunkedArray[Any]"


class Refused(Exception):
    """A column or a frame that cannot become a table. `hint` is the next step."""

    def __init__(self, message: str, hint: str = ""):
        super().__init__(message)
        self.message = message
        self.hint = hint


def storable(kind: "pa.DataType", column: str) -> "pa.DataType":
    """Return the type under which a column of `kind` is stored: itself, or one that holds the same values.

    Raise Refused for a type that no table has.
    """
    import pyarrow as pa
    import pyarrow.types as is_

    if is_.is_null(kind):
        raise Refused(
            f"the column `{column}` holds nothing that tells its type",
            f'give it one: `frame["{column}"].astype("int64[pyarrow]")`, or `"string[pyarrow]"`, …',
        )
    if is_.is_dictionary(kind) or is_.is_run_end_encoded(kind):
        return storable(kind.value_type, column)
    if is_.is_nested(kind) and not is_.is_union(kind):
        return _of_nested(kind, column)
    if isinstance(kind, pa.BaseExtensionType):
        return _of_extension(kind, column)
    if is_.is_decimal(kind):
        return _of_decimal(kind, column)
    return _of_plain(kind, column)


def _of_plain(kind: "pa.DataType", column: str) -> "pa.DataType":
    import pyarrow as pa
    import pyarrow.types as is_

    if is_.is_float16(kind):
        return pa.float32()
    if is_.is_date64(kind):
        return pa.date32()
    if is_.is_time32(kind):
        return pa.time64("us")
    if is_.is_timestamp(kind) and kind.tz not in (None, "UTC"):
        return pa.timestamp(kind.unit, "UTC")
    if is_.is_duration(kind):
        return pa.duration("us")
    if _is_plain(kind):
        return kind
    raise Refused(f"the column `{column}` is `{kind}`, which no table can hold", "convert it before it is returned")


def _of_nested(kind: "pa.DataType", column: str) -> "pa.DataType":
    import pyarrow as pa
    import pyarrow.types as is_

    if is_.is_list(kind) or is_.is_large_list(kind) or is_.is_list_view(kind) or is_.is_large_list_view(kind):
        return pa.large_list(storable(kind.value_type, column))
    if is_.is_fixed_size_list(kind):
        return pa.list_(storable(kind.value_type, column), kind.list_size)
    if is_.is_map(kind):
        return pa.map_(storable(kind.key_type, column), storable(kind.item_type, column))
    return pa.struct([(field.name, storable(field.type, column)) for field in kind])


def _of_extension(kind: Any, column: str) -> "pa.DataType":
    known = ("arrow.opaque", "arrow.json", "arrow.uuid", "arrow.bool8", "geoarrow.wkb")
    if getattr(kind, "extension_name", "") in known:
        return kind
    raise Refused(f"the column `{column}` is `{kind}`, which no table can hold", "convert it before it is returned")


def _of_decimal(kind: Any, column: str) -> "pa.DataType":
    import pyarrow as pa

    if kind.precision <= 38 and kind.scale >= 0:
        return kind
    if kind.scale < 0 or kind.scale > 38:
        raise Refused(f"the column `{column}` is `{kind}`: a decimal has at most 38 digits")
    return pa.decimal128(38, kind.scale)


def _is_plain(kind: "pa.DataType") -> bool:
    import pyarrow.types as is_

    return bool(
        is_.is_boolean(kind) or is_.is_integer(kind) or is_.is_floating(kind)
        or is_.is_string(kind) or is_.is_large_string(kind) or is_.is_string_view(kind)
        or is_.is_binary(kind) or is_.is_large_binary(kind) or is_.is_binary_view(kind) or is_.is_fixed_size_binary(kind)
        or is_.is_date32(kind) or is_.is_time64(kind) or is_.is_timestamp(kind) or is_.is_interval(kind)
        or (is_.is_union(kind) and kind.num_fields)
    )  # fmt: skip


def stored(array: Any, column: str) -> Any:
    """Return a column under the type that `storable` names. Raise Refused, with the row, for a value that does not fit."""
    return cast(array, storable(array.type, column), column)


def cast(array: Any, wanted: "pa.DataType", column: str) -> Any:
    """Return a column as another type. Raise Refused, with the row, for a value that does not fit."""
    import pyarrow as pa

    if wanted == array.type:
        return array
    try:
        return array.cast(wanted)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise Refused(f"{first_misfit(array, wanted, column)}: {_sentence(error)}") from error


def without_nanoseconds(kind: "pa.DataType") -> "pa.DataType":
    """Return a type whose times of a day are in microseconds, also inside of lists and structs."""
    import pyarrow as pa
    import pyarrow.types as is_

    if is_.is_time64(kind):
        return pa.time64("us")
    if is_.is_large_list(kind) or is_.is_list(kind):
        return (pa.large_list if is_.is_large_list(kind) else pa.list_)(without_nanoseconds(kind.value_type))
    if is_.is_fixed_size_list(kind):
        return pa.list_(without_nanoseconds(kind.value_type), kind.list_size)
    if is_.is_struct(kind):
        return pa.struct([(field.name, without_nanoseconds(field.type)) for field in kind])
    return kind


def first_misfit(array: Any, wanted: "pa.DataType", column: str) -> str:
    """Return the words for the first row whose value cannot be cast: found by halves, since a cast tells no row."""
    import pyarrow as pa

    low, high = 0, len(array)
    while high - low > 1:
        middle = (low + high) // 2
        try:
            array.slice(low, middle - low).cast(wanted)
            low = middle
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            high = middle
    return f"the column `{column}`, row {low + 1}"


def _sentence(error: Exception) -> str:
    text = str(error).strip().split("\n")[0]
    return text[:1].lower() + text[1:]
