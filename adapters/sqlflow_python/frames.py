"""From an Arrow file to the frame that a function's annotation asks for. Runs in the process of the function."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from sqlflow_python.types import Refused


def frame(path: Path, kind: str) -> Any:
    """Return the rows of an Arrow IPC file as a frame of `kind`: all values as they are, nothing guessed."""
    return _MAKERS[kind](path)


def table(path: Path) -> Any:
    """Return the file as a `pyarrow.Table` over mapped memory: nothing is copied."""
    import pyarrow as pa

    return pa.ipc.open_file(pa.memory_map(str(path))).read_all()


def _pandas(path: Path) -> Any:
    """Return a pandas frame of Arrow types, so that integers with NULL stay integers, and NULL is not NaN."""
    import pandas as pd

    return table(path).to_pandas(types_mapper=pd.ArrowDtype)


def _polars(path: Path) -> Any:
    import polars as pl

    _refuse_what_polars_changes(table(path).schema)
    return pl.from_arrow(table(path))


def _polars_lazy(path: Path) -> Any:
    import polars as pl
    import pyarrow.types as is_

    schema = table(path).schema
    _refuse_what_polars_changes(schema)
    if any(_holds(field.type, is_.is_dictionary) for field in schema):
        rows: Any = pl.from_arrow(table(path))  # polars' own reader trips over the code of a NULL
        return rows.lazy()
    return pl.scan_ipc(path)


def _holds(kind: Any, is_wanted: Callable[[Any], bool]) -> bool:
    """Tell whether a type, or one inside of it, is of a kind."""
    return is_wanted(kind) or any(
        _holds(kind.field(number).type, is_wanted) for number in range(getattr(kind, "num_fields", 0))
    )


def _refuse_what_polars_changes(schema: Any) -> None:
    """Refuse a column with a type that polars does not have: it fails, or makes a list of structs of a map."""
    for field in schema:
        if odd := _not_in_polars(field.type):
            hint = "take the rows as `pd.DataFrame` or `pa.Table`, or cast the column in a SQL block"
            raise Refused(f"the column `{field.name}` is {odd}, which polars does not have", hint)


def _not_in_polars(kind: Any) -> str:
    """Return DuckDB's word for a type, or for one inside of it, that polars does not have."""
    import pyarrow.types as is_

    if _holds(kind, is_.is_interval):
        return "an INTERVAL"
    return "a MAP" if _holds(kind, is_.is_map) else ""


def _batches(path: Path) -> Any:
    """Return the file batch by batch, read and not mapped: mapped pages count as the process's memory."""
    import pyarrow as pa

    def read() -> Iterator[Any]:
        with pa.OSFile(str(path)) as source:
            file = pa.ipc.open_file(source)
            for number in range(file.num_record_batches):
                yield file.get_batch(number)

    with pa.OSFile(str(path)) as source:
        schema = pa.ipc.open_file(source).schema
    return pa.RecordBatchReader.from_batches(schema, read())


def _duckdb(path: Path) -> Any:
    import duckdb
    import pyarrow.dataset as ds

    connection = duckdb.connect(":memory:", config={"python_enable_replacements": "false"})
    connection.execute("set TimeZone = 'UTC'")
    return connection.from_arrow(ds.dataset(path, format="ipc"))


def _narwhals(path: Path) -> Any:
    import narwhals as nw

    return nw.from_native(table(path), eager_only=True)


def _narwhals_lazy(path: Path) -> Any:
    import narwhals as nw

    return nw.from_native(_duckdb(path))


_MAKERS = {
    "pandas": _pandas, "polars": _polars, "polars-lazy": _polars_lazy, "arrow": table, "arrow-batches": _batches,
    "duckdb": _duckdb, "narwhals": _narwhals, "narwhals-lazy": _narwhals_lazy,
}  # fmt: skip
