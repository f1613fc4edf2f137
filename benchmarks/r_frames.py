"""How long rows take into R and back, beside the same rows over CSV with data.table's fread and fwrite, and an empty call.

Compared is like with like: R's process with fread and fwrite of the same frame, and the whole way with the whole way over CSV.

    python benchmarks/r_frames.py [ROWS]

Wall time and CPU seconds of both processes, one after the other on the same machine. Needs R with data.table and bit64.
"""

import subprocess
import sys
import tempfile
from contextlib import nullcontext
from pathlib import Path

import duckdb
from frames import FRAME, Taken, timed

from sqlflow.core.runtime import Call, Surroundings, Worker
from sqlflow.core.text import SourceFile
from sqlflow.read.yaml import parse
from sqlflow_r import RUNTIME


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
        ours = []
        for which in ("first", "second"):
            with timed(f"{rows:,} rows × 6 columns in and out, {which}", worker) as taken:
                called(worker, folder, "identity <- function(frame) frame", connection, {"frame": "from frame"}, "back")
            ours.append(taken)
        wrong = connection.execute(
            "select count(*) from (from frame except all from back union all (from back except all from frame))"
        ).fetchall()
        print(f"rows that are not as they were: {wrong[0][0]}")
        worker.close()
        for threads in ("1", "2"):
            theirs = over_csv(connection, folder, threads)
            for which, mine in zip(("first", "second"), ours, strict=True):
                whole = (mine.here + mine.there) / (theirs.here + theirs.there)
                print(f"    {which}: R alone {mine.there / theirs.there:.2f} of it, the whole way {whole:.2f}")


def over_csv(connection: duckdb.DuckDBPyConnection, folder: Path, threads: str) -> Taken:
    """Take the same rows the way that a person would go without sqlflow: DuckDB, CSV, fread, fwrite, CSV, DuckDB.

    Return the CPU seconds of DuckDB (here), and of fread and fwrite (there).
    """
    script, there, back = Path(__file__).with_suffix(".R"), folder / "frame.csv", folder / "back.csv"
    print(f"the same over CSV, data.table with {threads} threads:")
    with timed("    DuckDB writes") as writing:
        connection.execute(f"copy frame to '{there}' (header)")
    ran = subprocess.run(
        ["Rscript", "--vanilla", script, there, back, threads], check=True, capture_output=True, text=True
    )
    print(ran.stdout, end="")
    with timed("    DuckDB reads") as reading:
        connection.execute(
            f"create or replace table back as from read_csv('{back}', header = true, columns = "
            "{i: 'integer', big: 'bigint', d: 'double', s: 'varchar', day: 'date', t: 'timestamp'})"
        )
    wrong = connection.execute("select count(*) from (from frame except all from back)").fetchall()
    print(f"    rows that are not as they were: {wrong[0][0]:,}")
    in_r = sum(float(line.split("CPU ")[1].split()[0]) for line in ran.stdout.splitlines())
    return Taken(writing.here + reading.here, in_r)


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


if __name__ == "__main__":
    main()
