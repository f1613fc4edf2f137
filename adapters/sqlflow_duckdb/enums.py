"""ENUM columns on their way out of DuckDB and into it, as Arrow dictionaries and as columns whose levels are told."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import duckdb

from sqlflow.core.names import literal, quoted
from sqlflow.core.runtime import LEVELS

if TYPE_CHECKING:
    import pyarrow as pa


def clause(schema: "pa.Schema") -> str:
    """Return what behind `select *` makes an ENUM of each column whose levels are told; empty where there is none."""
    casts = []
    for field in schema:
        if field.metadata and LEVELS in field.metadata:
            levels = ", ".join(map(literal, json.loads(field.metadata[LEVELS])))
            casts.append(f"cast({quoted(field.name)} as enum({levels})) as {quoted(field.name)}")
    return f" replace ({', '.join(casts)})" if casts else ""


def reader(relation: duckdb.DuckDBPyRelation) -> "pa.RecordBatchReader":
    """Return the rows of a query. With an ENUM there is a batch even without rows: its dictionary is all that tells the levels."""
    batches = relation.to_arrow_reader()
    levels = [_levels(kind) if kind.id == "enum" else None for kind in relation.types]
    if not any(levels):
        return batches
    return batches.from_batches(batches.schema, _at_least_one(batches, levels))


def _levels(kind: Any) -> list[str]:
    """Return the levels of an ENUM, which DuckDB gives as `[("values", [...])]`."""
    return list(dict(kind.children)["values"])


def _at_least_one(batches: "pa.RecordBatchReader", levels: list[list[str] | None]) -> "Iterator[pa.RecordBatch]":
    import pyarrow as pa

    is_empty = True
    for batch in batches:
        is_empty = False
        yield batch
    if is_empty:
        arrays = [
            pa.array([], field.type)
            if told is None
            else pa.DictionaryArray.from_arrays(
                pa.array([], field.type.index_type), pa.array(told, field.type.value_type)
            )
            for field, told in zip(batches.schema, levels, strict=True)
        ]
        yield pa.record_batch(arrays, schema=batches.schema)
