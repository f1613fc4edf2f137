"""How long rows take into a Python function and back, beside the same conversions by hand in one process.

    python benchmarks/python_frames.py [ROWS] [STREAMED]

STREAMED (100 million) rows go through a function as batches, and the peak of memory of both processes is told; ROWS (10 million)
go through one for each kind of frame. 0 leaves one of them out. CPU seconds of both processes, one after the other on the same machine.
"""

import resource
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
from frames import FRAME, measured, timed
from measure import Figure, in_turn

from sqlflow.core.runtime import Call, Surroundings, Worker
from sqlflow.core.text import SourceFile
from sqlflow.read.yaml import parse
from sqlflow_python import RUNTIME

IMPORTS = "import duckdb, pandas as pd, polars as pl, pyarrow as pa\nfrom sqlflow import block\n@block\n"
Reader = pa.RecordBatchReader


def _by_pandas(rows: Reader) -> Any:
    return pa.Table.from_pandas(rows.read_all().to_pandas(types_mapper=pd.ArrowDtype), preserve_index=False)


def _by_polars(rows: Reader) -> Any:
    frame = pl.from_arrow(rows.read_all())
    assert isinstance(frame, pl.DataFrame)
    return frame.to_arrow()


BY_HAND: dict[str, Callable[[Reader], Any]] = {
    "pd.DataFrame": _by_pandas, "pl.DataFrame": _by_polars, "pa.Table": Reader.read_all, "pa.RecordBatchReader": lambda rows: rows,
}  # fmt: skip


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000
    streamed = int(sys.argv[2]) if len(sys.argv) > 2 else 100_000_000
    if streamed:  # first: the peak of this process is told
        _stream(streamed)
    for kind, (block, by_hand) in compared(rows, 2).items() if rows else ():
        print(f"{kind} by hand: {by_hand.wall:.2f} s, CPU {by_hand.cpu:.2f} s")
        print(
            f"{kind} in a block: {block.wall:.2f} s, CPU {block.cpu:.2f} s; wall {block.wall / by_hand.wall:.2f} times that"
        )


def compared(rows: int, runs: int) -> dict[str, tuple[Figure, Figure]]:
    """Return what rows take through a function and back, and the same conversions by hand in one process, by kind of frame.

    Raise RuntimeError if rows are not as they were.
    """
    with _opened() as (connection, folder):
        connection.execute(f"create table frame as {FRAME.format(rows=rows)}")
        worker = RUNTIME.start()
        _through(worker, folder, connection, "def empty(frame: pa.Table): return frame", "from frame limit 0")

        def in_a_block(kind: str) -> Figure:
            with measured(worker) as taken:
                _through(worker, folder, connection, f"def same(frame: {kind}): return frame", "from frame")
            return Figure(taken.here + taken.there, taken.wall, _peak_of(worker))

        def by_hand(convert: Callable[[Reader], Any]) -> Figure:
            with measured() as taken:
                _stored(connection, convert(connection.cursor().sql("from frame").to_arrow_reader()), "by_hand")
            return Figure(taken.here, taken.wall, 0)

        found = {}
        for kind, convert in BY_HAND.items():
            found[kind] = in_turn(partial(in_a_block, kind), partial(by_hand, convert), runs)
            ((wrong,),) = connection.execute(
                "select count(*) from (from frame except all from back union all (from back except all from frame))"
            ).fetchall()
            if wrong:
                raise RuntimeError(f"{wrong} rows are not as they were")
        worker.close()
        return found


def _stream(rows: int) -> None:
    with _opened() as (connection, folder):
        worker = RUNTIME.start()
        text = "def same(frame: pa.RecordBatchReader): return frame"
        with timed(f"{rows:,} rows streamed", worker):
            _through(worker, folder, connection, text, FRAME.format(rows=rows))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
        print(f"peak memory: {peak:.0f} MB here, {_peak_of(worker):.0f} MB in the function's process")
        worker.close()


@contextmanager
def _opened() -> Iterator[tuple[duckdb.DuckDBPyConnection, Path]]:
    """Yield a database that may take little memory, and its folder."""
    with tempfile.TemporaryDirectory() as name:
        yield duckdb.connect(str(Path(name) / "bench.duckdb"), config={"memory_limit": "256MB"}), Path(name)


def _stored(connection: duckdb.DuckDBPyConnection, rows: Any, table: str) -> None:
    connection.register("rows", rows)
    connection.execute(f"create or replace table {table} as from rows")
    connection.unregister("rows")


def _through(worker: Worker, folder: Path, connection: duckdb.DuckDBPyConnection, text: str, query: str) -> None:
    source = SourceFile("blocks/bench.py", IMPORTS + text + "\n")
    file = RUNTIME.read(source, parse, {})
    assert file is not None
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        inside = Path(scratch) / "call"
        inside.mkdir()
        call = Call(file.block, source, folder, inside, {}, Surroundings("main.bench", "dev", "run", 1, {}, {}))
        rows = connection.cursor().sql(query).to_arrow_reader()
        with worker.run(call, iter([("frame", rows)]), lambda _: nullcontext(), print) as batches:  # type: ignore[arg-type, return-value]
            _stored(connection, batches, "back")


def _peak_of(worker: Any) -> float:
    return int(Path(f"/proc/{worker._child.pid}/status").read_text().split("VmHWM:")[1].split()[0]) / 1e3


if __name__ == "__main__":
    main()
