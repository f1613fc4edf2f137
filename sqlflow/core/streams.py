"""Streams of Arrow batches whose errors are told as what they are, whoever reads them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlflow.core.errors import SqlflowError

if TYPE_CHECKING:
    import pyarrow as pa


def told(
    batches: "pa.RecordBatchReader", kinds: tuple[type[Exception], ...], told_as: Callable[[Exception], Exception]
) -> "pa.RecordBatchReader":
    """Return a stream whose errors of the given `kinds` are raised as what `told_as` makes of them."""
    import pyarrow as pa

    def read() -> "Iterator[pa.RecordBatch]":
        try:
            yield from batches
        except kinds as error:
            raise told_as(error) from error

    return pa.RecordBatchReader.from_batches(batches.schema, read())


def before_end(batches: "pa.RecordBatchReader", call: Callable[[], None]) -> "pa.RecordBatchReader":
    """Return a stream that calls `call` when all of it has been read, before it ends for who reads it."""
    import pyarrow as pa

    def read() -> "Iterator[pa.RecordBatch]":
        yield from batches
        call()

    return pa.RecordBatchReader.from_batches(batches.schema, read())


@contextmanager
def own_errors(batches: "pa.RecordBatchReader") -> "Iterator[pa.RecordBatchReader]":
    """Yield a stream; if it breaks, raise its own error in the end.

    An engine that reads it through Arrow's C interface knows no more of that than a text with a traceback.
    """
    import pyarrow as pa

    broken: list[SqlflowError] = []

    def read() -> "Iterator[pa.RecordBatch]":
        try:
            yield from batches
        except SqlflowError as error:
            broken.append(error)
            raise

    try:
        yield pa.RecordBatchReader.from_batches(batches.schema, read())
    except Exception:
        if broken:
            raise broken[0] from broken[0].__cause__
        raise
