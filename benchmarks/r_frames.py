"""How long rows take into R and back, beside data.table's fwrite and fread of the same frame, and an empty call.

    python benchmarks/r_frames.py [ROWS]

Wall time and CPU seconds of both processes, one after the other on the same machine. Needs R with data.table and bit64.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import duckdb

from sqlflow.core.runtime import Call, Surroundings, Worker
from sqlflow.core.text import SourceFile
from sqlflow.read.yaml import parse
from sqlflow_r import RUNTIME

FRAME = """
    select range::integer as i, (range * 7919 + 9007199254740993)::bigint as big, random() as d,
           case when range % 50 > 0 then 'N' || lpad((range * 31 % 4000)::text, 5, '0') || 'AA' end as s,
           date '2013-01-01' + (range % 365)::integer as day,
           timestamp '2013-01-01 00:00:00.000001' + to_microseconds(range * 3_000_017) as t
    from range({rows})
"""


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        connection = duckdb.connect(str(folder / "bench.duckdb"))
        connection.execute(f"create table frame as {FRAME.format(rows=rows)}")
        worker = RUNTIME.start()
        for _ in range(3):
            with timed("an empty block in a warm process", worker):
                called(worker, folder, "empty <- function(context) data.frame(x = 1L)", connection, {})
        with timed("of what follows, DuckDB's reading and storing", worker):
            connection.execute("create table copied as from frame")
            for _ in connection.cursor().sql("from frame").to_arrow_reader():
                pass
        with timed(f"{rows:,} rows × 6 columns in and out", worker):
            called(worker, folder, "identity <- function(frame) frame", connection, {"frame": "from frame"}, "back")
        wrong = connection.execute(
            "select count(*) from (from frame except all from back union all (from back except all from frame))"
        ).fetchall()
        print(f"rows that are not as they were: {wrong[0][0]}")
        saved = f"save <- function(frame) {{ saveRDS(frame, {str(folder / 'frame.rds')!r}, compress = FALSE); data.frame(x = 1L) }}"
        called(worker, folder, saved, connection, {"frame": "from frame"})
        worker.close()
        script = Path(__file__).with_suffix(".R")
        for threads in ("1", "2"):
            print(f"data.table with {threads} threads: ", end="", flush=True)
            subprocess.run(
                ["Rscript", "--vanilla", script, folder / "frame.rds", folder / "frame.csv", threads], check=True
            )


def called(
    worker: Worker,
    folder: Path,
    text: str,
    connection: duckdb.DuckDBPyConnection,
    inputs: dict[str, str],
    table: str = "",
) -> None:
    """Call the function of an R text and keep what it gives as a table."""
    source = SourceFile("blocks/bench.R", text)
    file = RUNTIME.read(source, parse, {})
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        inside = Path(scratch) / "call"
        inside.mkdir()
        call = Call(file.block, source, folder, inside, {}, Surroundings("main.bench", "dev", "run", 1, {}, {}))
        readers = ((name, connection.cursor().sql(query).to_arrow_reader()) for name, query in inputs.items())
        with worker.run(call, readers, lambda _: nullcontext(), print) as batches:  # type: ignore[arg-type, return-value]
            if table:
                connection.register("batches", batches)
                connection.execute(f"create or replace table {table} as from batches")
                connection.unregister("batches")
            else:
                batches.read_all()


@contextmanager
def timed(what: str, worker: Any) -> Iterator[None]:
    wall, cpu, child = time.perf_counter(), time.process_time(), _cpu_of(worker)
    yield
    print(
        f"{what}: {time.perf_counter() - wall:.3f} s,"
        f" CPU {time.process_time() - cpu:.2f} s here and {_cpu_of(worker) - child:.2f} s in R"
    )


def _cpu_of(worker: Any) -> float:
    if sys.platform != "linux":
        return 0.0
    fields = Path(f"/proc/{worker._child.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
