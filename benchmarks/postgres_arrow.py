"""Rows between Arrow and Postgres: ours beside ADBC's own ingest and fetch, and beside COPY of CSV that pyarrow writes and reads.

    python benchmarks/postgres_arrow.py [MILLIONS] [RUNS]

MILLIONS (1) of rows of eight columns. Figures are CPU seconds of the client, from when it is connected until the rows are there, and
of the server's process for it, medians of RUNS (3); the sides take turns. ADBC comes from PyPI into `.bench/peers`; the server is that
of the tests.
"""

import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import peers
from measure import Figure, Server, median

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
import postgres_server

PEERS = Path(__file__).parents[1] / ".bench/peers"
COLUMNS = (
    "range as id, range % 1000 as code, range / 7.0 as share, 'name ' || (range % 5000) as name,"
    " date '2020-01-01' + (range % 2000)::integer as day, range % 3 = 0 as is_third,"
    " timestamp '2020-01-01' + to_seconds(range) as at, 'a longer text of ' || range as note"
)
OURS = """
import sys
from pathlib import Path
from time import process_time
import pyarrow as pa
from sqlflow.core.names import TableName
from sqlflow_postgres.engine import PostgresEngine
from sqlflow_postgres.settings import PostgresSettings
way, url = sys.argv[1:]
connection = PostgresEngine().open(PostgresSettings(engine="postgres", url=url), Path())
session = connection.session()
table = TableName("public", "rows")
begun = process_time()
if way == "in":
    session.execute(f"drop table if exists {table.sql}")
    with pa.memory_map("rows.arrow") as file, session.transaction():
        batches = pa.ipc.open_file(file)
        rows = map(batches.get_batch, range(batches.num_record_batches))
        session.load(table, pa.RecordBatchReader.from_batches(batches.schema, rows))
else:
    print(sum(batch.num_rows for batch in session.batches(f"select * from {table.sql}")))
Path("seconds").write_text(str(process_time() - begun))
session.close(); connection.close()
"""
ADBC = """
import sys
from pathlib import Path
from time import process_time
import pyarrow as pa
from adbc_driver_postgresql import dbapi
way, url = sys.argv[1:]
with dbapi.connect(url) as connection, connection.cursor() as cursor:
    begun = process_time()
    if way == "in":
        with pa.memory_map("rows.arrow") as file:
            cursor.adbc_ingest("rows", pa.ipc.open_file(file).read_all(), mode="replace")
        connection.commit()
    else:
        cursor.execute("select * from rows")
        print(sum(batch.num_rows for batch in cursor.fetch_record_batch()))
    Path("seconds").write_text(str(process_time() - begun))
"""
CSV = """
import io, sys
from pathlib import Path
from time import process_time
import psycopg, pyarrow as pa, pyarrow.csv
way, url = sys.argv[1:]
with psycopg.connect(url) as connection, connection.cursor() as cursor:
    begun = process_time()
    if way == "in":
        cursor.execute("drop table if exists rows; create table rows (id bigint, code bigint, share float8, name text, day date, is_third boolean, at timestamp, note text)")
        with pa.memory_map("rows.arrow") as file, cursor.copy("copy rows from stdin (format csv)") as copy:
            reader = pa.ipc.open_file(file)
            for number in range(reader.num_record_batches):
                text = io.BytesIO()
                pa.csv.write_csv(reader.get_batch(number), text, pa.csv.WriteOptions(include_header=False))
                copy.write(text.getvalue())
    else:
        with cursor.copy("copy rows to stdout (format csv, header)") as copy:
            print(pa.csv.read_csv(io.BytesIO(b"".join(copy))).num_rows)
    Path("seconds").write_text(str(process_time() - begun))
"""
Both = tuple[Figure, Figure]
"""What the client took and what the server took."""


def compared(folder: Path, rows: int, runs: int) -> dict[tuple[str, str], Both]:
    """Return the medians by way (`in`, `out`) and side (`ours`, `adbc`, `csv`)."""
    python = peers.adbc(PEERS)
    url = postgres_server.new_database()
    server = Server.of_postgres(url)
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / "rows.arrow", rows)
    sides = {"ours": (Path(sys.executable), OURS), "adbc": (python, ADBC), "csv": (python, CSV)}
    found: dict[tuple[str, str], list[Both]] = {}
    try:
        for _ in range(runs):
            for side, (program, script) in sides.items():
                for way in ("in", "out"):
                    client, served = server.taken([program, "-c", script, way, url], folder)
                    client = replace(client, cpu=float((folder / "seconds").read_text()))
                    found.setdefault((way, side), []).append((client, served))
    finally:
        postgres_server.drop_database(url)
    return {key: medians(figures) for key, figures in found.items()}


def medians(found: list[Both]) -> Both:
    clients, servers = zip(*found, strict=True)
    return median(iter(clients).__next__, len(clients)), median(iter(servers).__next__, len(servers))


def _write(file: Path, rows: int) -> None:
    import duckdb
    import pyarrow as pa

    batches = duckdb.sql(f"select {COLUMNS} from range({rows})").to_arrow_reader(100_000)
    with pa.ipc.new_file(file, batches.schema) as writer:
        for batch in batches:
            writer.write_batch(batch)


def main() -> None:
    millions, runs = (float(sys.argv[1]) if len(sys.argv) > 1 else 1.0), int(sys.argv[2]) if len(sys.argv) > 2 else 3
    try:
        with tempfile.TemporaryDirectory() as name:
            found = compared(Path(name), int(millions * 1e6), runs)
    finally:
        postgres_server.stop()
    for way in ("in", "out"):
        taken = {side: found[way, side] for side in ("ours", "adbc", "csv")}
        for side, (client, server) in taken.items():
            print(
                f"{way:<3} {side:<4}  client {client.cpu:.2f} s, server {server.cpu:.2f} s, {client.megabytes:.0f} MB"
            )
        whole = {side: client.cpu + server.cpu for side, (client, server) in taken.items()}
        adbc, csv = whole["ours"] / whole["adbc"], whole["ours"] / whole["csv"]
        print(f"{way:<3} ratio: ADBC {adbc:.2f}, budget 1.0; COPY of CSV {csv:.2f}, budget 1.5")


if __name__ == "__main__":
    main()
