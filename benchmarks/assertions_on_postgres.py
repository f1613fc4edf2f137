"""What 20 row-level assertions on many rows take in Postgres, which counts them in one scan, beside 20 queries by hand.

    python benchmarks/assertions_on_postgres.py [MILLIONS] [RUNS]

MILLIONS (1) of rows. Only the assertions run: the block is built before. Figures are CPU seconds of the client and of the
server's processes for it, medians of RUNS (3), one side after the other. The server is that of the tests.
"""

import sys
import tempfile
from pathlib import Path

from assertions import RULES
from measure import Figure, Server
from postgres_arrow import medians

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
import postgres_server

SQLFLOW = Path(sys.executable).parent / "sqlflow"
ROWS = """
select id, id % 1000003 as customer_id, id::bigint * 7919 % 1000 as amount, id % 5 as kind,
       date '2020-01-01' + (id % 1500)::integer as day, 'N' || id % 4000 as code
from generate_series(0, {rows} - 1) as n (id)
"""
MORE = {"kind <= amount + 4": "kind <= amount + 4"}
BY_HAND = """
import psycopg, sys
with psycopg.connect(sys.argv[1], autocommit=True) as connection:
    for statement in open("floor.sql").read().split(";"):
        if statement.strip():
            connection.execute(statement)
"""


def compared(folder: Path, rows: int, runs: int) -> tuple[tuple[Figure, Figure], tuple[Figure, Figure]]:
    """Return what ours and what those by hand take, each of the client and of the server."""
    url = postgres_server.new_database()
    server = Server.of_postgres(url)
    rules = RULES | MORE
    (folder / "blocks").mkdir(parents=True)
    (folder / "sqlflow.yml").write_text(
        f"name: assertions\nthreads: 2\ntargets: {{dev: {{engine: postgres, url: '{url}'}}}}\ntarget: dev\n"
    )
    listed = "\n".join(f"  - {rule}" for rule in rules.values())
    (folder / "blocks/block.sql").write_text(f"/*---\nassert:\n{listed}\n---*/\n{ROWS.format(rows=rows)}")
    by_hand = [f"select count(*) from public.block where not ({condition})" for condition in rules]
    (folder / "floor.sql").write_text(";\n".join(by_hand))
    try:
        server.taken([SQLFLOW, "build", "--quiet"], folder)
        ours = [server.taken([SQLFLOW, "test", "--quiet"], folder) for _ in range(runs)]
        floor = [server.taken([sys.executable, "-c", BY_HAND, url], folder) for _ in range(runs)]
    finally:
        postgres_server.drop_database(url)
    return medians(ours), medians(floor)


def main() -> None:
    millions, runs = (float(sys.argv[1]) if len(sys.argv) > 1 else 1.0), int(sys.argv[2]) if len(sys.argv) > 2 else 3
    try:
        with tempfile.TemporaryDirectory() as name:
            (client, server), (hand, by_hand) = compared(Path(name) / "project", int(millions * 1e6), runs)
    finally:
        postgres_server.stop()
    print(f"assertions: client {client.cpu:.2f} s, server {server.cpu:.2f} s; wall {client.wall:.2f} s")
    print(f"by hand:    client {hand.cpu:.2f} s, server {by_hand.cpu:.2f} s; wall {hand.wall:.2f} s")
    whole = (client.cpu + server.cpu) / (hand.cpu + by_hand.cpu)
    print(
        f"ratio: server {server.cpu / by_hand.cpu:.2f}, both {whole:.2f}, wall {client.wall / hand.wall:.2f}; budget 0.33"
    )


if __name__ == "__main__":
    main()
