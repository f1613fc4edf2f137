"""How long readers are held up while others publish: their queries' times without and with builds that publish.

    python benchmarks/readers.py [PUBLISHES]

A process of its own reads one row of one of 20 relations, again and again; each build shows all 20 anew. On Postgres the reader is a
connection that stays; on DuckDB, where nobody else can open the file while a build runs, it opens what `publish_copy` has written. The
server is that of the tests.
"""

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
import postgres_server

from sqlflow import Project
from sqlflow.core.events import Event, Published

RELATIONS = 20
SECONDS_ALONE = 10.0
READER = """
import json, sys, threading, time
kind, where = sys.argv[1:]
stop = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), stop.set()), daemon=True).start()
if kind == "postgres":
    import psycopg
    connection = psycopg.connect(where, autocommit=True)
    look = lambda number: connection.execute(f"select edition from marts.b{number}").fetchall()
else:
    import duckdb
    def look(number):
        with duckdb.connect(where, read_only=True) as connection:
            return connection.execute(f"select edition from marts.b{number}").fetchall()
look(0)
print("ready", flush=True)
found, number = [], 0
while not stop.is_set():
    begun = time.perf_counter()
    look(number % %d)
    found.append(time.perf_counter() - begun)
    number += 1
print(json.dumps(found))
""".replace("%d", str(RELATIONS))


class Reader:
    """A process that reads until it is asked what it has found: seconds, one for each query."""

    def __init__(self, kind: str, where: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", READER, kind, where], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        self.process.stdout.readline()

    def found(self) -> list[float]:
        said, _ = self.process.communicate("")
        return list(json.loads(said))


def project(folder: Path, kind: str, edition: int) -> Project:
    """Return the project, which is written at the first time."""
    if not folder.exists():
        (folder / "blocks" / "marts").mkdir(parents=True)
        target = "{engine: duckdb, path: w.duckdb, publish_copy: copy.duckdb}"
        if kind == "postgres":
            target = f"{{engine: postgres, url: '{postgres_server.new_database()}'}}"
        (folder / "sqlflow.yml").write_text(f"name: r\nvars: {{edition: 0}}\ntargets: {{dev: {target}}}\n")
        for number in range(RELATIONS):
            (folder / "blocks" / "marts" / f"b{number}.sql").write_text("select {{ var('edition') }} as edition")
    return Project.load(folder, vars={"edition": edition})


def told(what: str, seconds: list[float]) -> None:
    cut = statistics.quantiles(seconds, n=100)
    figures = f"p50 {cut[49] * 1000:7.2f} ms   p99 {cut[98] * 1000:8.2f} ms   max {max(seconds) * 1000:8.2f} ms"
    print(f"{what:<34} {len(seconds):>8,} times   {figures}", flush=True)


def measure(kind: str, folder: Path, publishes: int) -> None:
    """Print the times of queries without and with builds, and of the publishing itself."""
    assert project(folder, kind, 0).build().ok
    settings = project(folder, kind, 0).loaded.target.settings
    where = settings.url if kind == "postgres" else str(folder / "copy.duckdb")
    alone = Reader(kind, where)
    time.sleep(SECONDS_ALONE)
    told(f"{kind}: a query, nobody builds", alone.found())
    swaps: list[float] = []

    def hear(event: Event) -> None:
        swaps.extend([event.seconds] if isinstance(event, Published) else [])

    reader = Reader(kind, where)
    for edition in range(1, publishes + 1):
        assert project(folder, kind, edition).build(listener=hear).ok
    told(f"{kind}: a query, {publishes} builds", reader.found())
    told(f"{kind}: publishing {RELATIONS} relations", swaps)


def main() -> None:
    publishes = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    folder = Path(tempfile.mkdtemp(prefix="sqlflow-readers-"))
    try:
        for kind in ("postgres", "duckdb"):
            measure(kind, folder / kind, publishes)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        postgres_server.stop()


if __name__ == "__main__":
    main()
