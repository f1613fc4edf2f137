"""From what a function returned to a stream of Arrow batches of types that a table can hold."""

import sys
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from math import isnan
from pathlib import Path
from types import MappingProxyType
from typing import Any

from sqlflow.core.runtime import levels_of
from sqlflow_python.columns import arrow_column
from sqlflow_python.types import Refused, cast, stored, without_nanoseconds

ROWS_A_BATCH = 131_072
_KINDS = "a frame of pandas, polars, pyarrow, DuckDB or narwhals, or an iterator of such frames"


def result_batches(value: Any, scratch: Path) -> tuple[Any, Iterator[Any]]:
    """Return the schema and the batches of a function's result. Raise Refused for what is no table.

    An iterator is read piece by piece: its first piece says what columns there are.
    """
    pieces = _pieces(value, scratch)
    first = next(pieces, None)
    if first is None:
        raise Refused("the function gave an iterator without a frame", "let it yield an empty frame with its columns")
    return first.schema, chain(first.to_batches(max_chunksize=ROWS_A_BATCH), _rest(pieces, first.schema))


def _rest(pieces: Iterator[Any], schema: Any) -> Iterator[Any]:
    for number, piece in enumerate(pieces, 2):
        yield from _like_first(piece, schema, number).to_batches(max_chunksize=ROWS_A_BATCH)


def _like_first(table: Any, schema: Any, number: int) -> Any:
    """Return a later piece of a stream with the first one's schema. Raise Refused if it is another one."""
    if table.schema.equals(schema):
        return table
    if table.schema.names != schema.names:
        listed = ", ".join(f"`{name}`" for name in table.schema.names)
        raise Refused(f"piece {number} of the stream has other columns than the first: {listed}")
    for field in schema:
        found = table.schema.field(field.name).type
        if found != field.type:
            message = f"piece {number} of the stream: the column `{field.name}` is `{found}`, in the first it is `{field.type}`"
            raise Refused(message, "give the column one type in all pieces")
    return table.cast(schema)


def _pieces(value: Any, scratch: Path) -> Iterator[Any]:
    """Yield the tables that a result is made of. A frame is one; a stream of batches is many."""
    import pyarrow as pa

    if (batches := _streamed(value, scratch)) is not None:
        schema = batches.schema
        yield _checked(schema.empty_table())
        for batch in batches:
            yield _checked(pa.Table.from_batches([batch], schema))
        return
    if (table := _as_table(value)) is not None:
        yield _checked(table, _levels(table))
        return
    if hasattr(value, "__next__") or (
        hasattr(value, "__iter__") and type(value).__name__ in ("map", "filter", "chain")
    ):
        for number, item in enumerate(value, 1):
            table = _as_table(item)
            if table is None:
                raise Refused(f"the generator gave {_named(item)} as piece {number}, not a frame", f"yield {_KINDS}")
            yield _checked(table)
        return
    raise Refused(f"the function returned {_named(value)}, not a frame", f"return {_KINDS}")


def _named(value: Any) -> str:
    if value is None:
        return "None"
    name = type(value).__name__
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} `{name}`"


def _is(value: Any, module: str, *names: str) -> bool:
    """Tell whether a value is of a class of a package that the function has imported: nothing is imported for it."""
    package = sys.modules.get(module)
    return package is not None and isinstance(
        value, tuple(getattr(package, name) for name in names if hasattr(package, name))
    )


def _streamed(value: Any, scratch: Path) -> Any:
    """Return a reader of batches for a result that is one or is lazy; None for all else."""
    import pyarrow as pa

    if isinstance(value, pa.RecordBatchReader):
        return value
    if _is(value, "duckdb", "DuckDBPyRelation"):
        return value.to_arrow_reader() if hasattr(value, "to_arrow_reader") else value.fetch_record_batch()
    if _is(value, "polars", "LazyFrame"):
        import polars as pl

        from sqlflow_python.frames import frame

        path = scratch / "lazy-result.arrow"
        value.sink_ipc(path, compat_level=pl.CompatLevel.oldest())  # pyarrow casts no dictionary of newer text
        return _microsecond_times(frame(path, "arrow-batches"))
    if _is(value, "narwhals", "LazyFrame") or _is(value, "narwhals.stable.v1", "LazyFrame"):
        return _streamed(value.to_native(), scratch)
    return None


def _as_table(value: Any) -> Any:
    """Return a frame as an Arrow table, its types as they are; None for what is no frame."""
    import pyarrow as pa

    if isinstance(value, pa.Table):
        return value
    if isinstance(value, pa.RecordBatch):
        return pa.Table.from_batches([value])
    if _is(value, "pandas", "DataFrame"):
        return _of_pandas(value)
    if _is(value, "polars", "DataFrame"):
        return _of_polars(value)
    if _is(value, "narwhals", "DataFrame") or _is(value, "narwhals.stable.v1", "DataFrame"):
        return _as_table(value.to_native())
    return None


def _of_pandas(value: Any) -> Any:
    import pandas as pd
    import pyarrow as pa

    names = _text_names(value.columns)
    _check_names(names)
    index = value.index
    plain = isinstance(index, pd.RangeIndex) or (index.name is None and index.nlevels == 1 and index.dtype.kind in "iu")
    if not plain and not (index.nlevels == 1 and index.name is None and not len(index)):
        shown = ", ".join(f"`{name}`" for name in index.names if name is not None) or f"of `{index.dtype}`"
        raise Refused(f"the frame has an index {shown}, which would be lost", "make it a column: `frame.reset_index()`")
    arrays = [arrow_column(value.iloc[:, number], name) for number, name in enumerate(names)]
    return pa.table(dict(zip(names, arrays, strict=True))) if names else pa.table({})


def _of_polars(value: Any) -> Any:
    import polars as pl

    for name, kind in value.schema.items():
        if kind in (pl.Object, getattr(pl, "Int128", pl.Object), getattr(pl, "UInt128", pl.Object)):
            raise Refused(
                f"the column `{name}` is `{kind}`, which no table can hold", "convert it before it is returned"
            )
    table = _microsecond_times(value.to_arrow())
    for number, kind in enumerate(value.schema.values()):
        if kind == pl.Categorical:  # the pool of its levels is the process's, and has those of other frames
            table = table.set_column(number, table.column_names[number], _decoded(table.column(number)))
    return table


def _decoded(column: Any) -> Any:
    import pyarrow as pa

    return pa.chunked_array([chunk.dictionary_decode() for chunk in column.chunks], column.type.value_type)


def _microsecond_times(rows: Any) -> Any:
    """Return a table or a reader with the times of a day in microseconds, as tables have them: polars has nanoseconds."""
    import pyarrow as pa

    fields = [field.with_type(without_nanoseconds(field.type)) for field in rows.schema]
    wanted = pa.schema(fields)
    if wanted.equals(rows.schema):
        return rows
    if isinstance(rows, pa.RecordBatchReader):
        pieces = (_microsecond_times(pa.Table.from_batches([batch])) for batch in rows)
        return pa.RecordBatchReader.from_batches(wanted, chain.from_iterable(map(pa.Table.to_batches, pieces)))
    return pa.table(
        [cast(rows.column(number), field.type, field.name) for number, field in enumerate(wanted)], schema=wanted
    )


def _text_names(columns: Iterable[Any]) -> list[str]:
    names = []
    for number, name in enumerate(columns, 1):
        if not isinstance(name, str):
            nameless = name is None or (isinstance(name, float) and isnan(name))  # pandas makes NaN of None
            message = f"column {number} has " + ("no name" if nameless else f"the name `{name!r}`, which is no text")
            raise Refused(message, 'name the columns: `frame.columns = ["a", "b"]`')
        names.append(name)
    return names


def _check_names(names: Iterable[str]) -> None:
    seen: set[str] = set()
    for number, name in enumerate(names, 1):
        if not name.strip():
            raise Refused(f"column {number} has no name", "name the columns")
        if name.lower() in seen:
            raise Refused(
                f"duplicate column `{name}`", "give each column a name of its own: names are the same without case"
            )
        seen.add(name.lower())


def _levels(table: Any) -> dict[str, Any]:
    """Return the metadata of the columns whose values are some out of a list of texts, which a whole frame tells."""
    import pyarrow.types as is_

    told = {}
    for name, column in zip(table.schema.names, table.columns, strict=True):
        kind = column.type
        if is_.is_dictionary(kind) and column.num_chunks and (
            is_.is_string(kind.value_type) or is_.is_large_string(kind.value_type)
        ):  # fmt: skip
            told[name] = levels_of(column.unify_dictionaries().chunk(0).dictionary.to_pylist())
    return told


def _checked(table: Any, metadata: Mapping[str, Any] = MappingProxyType({})) -> Any:
    """Return a table with the types under which it is stored, and what is told of its columns beside."""
    import pyarrow as pa

    if not table.num_columns:
        raise Refused("the frame has no columns", "return at least one column")
    _check_names(table.schema.names)
    columns = [stored(table.column(number), field.name) for number, field in enumerate(table.schema)]
    fields = [
        pa.field(field.name, column.type, metadata=metadata.get(field.name))
        for field, column in zip(table.schema, columns, strict=True)
    ]
    return pa.table(columns, schema=pa.schema(fields))
