"""How long readers are held up while others publish: their queries' times without and with builds that publish.

    python benchmarks/readers.py [PUBLISHES [KIND...]]

A process of its own reads one row of one of 20 relations, again and again; each build shows all 20 anew. How soon the reader
has seen what a build has published is told as well.

postgres   the reader is a connection that stays; the server is that of the tests
copy       DuckDB: the reader opens what `publish_copy` has written, for each query
between    DuckDB without a copy: nobody else can open the file while a build runs, so that the reader tries until it can; the
           next build waits for half a second, and then for the reader
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
PAUSE_SECONDS = {"postgres": 0.0, "copy": 0.0, "between": 0.5}
READER = """
import json, sys, threading, time
kind, where = sys.argv[1:]
stop = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), stop.set()), daemon=True).start()
if kind == "postgres":
    import psycopg
    connection = psycopg.connect(where, autocommit=True)
    look = lambda number: connection.execute(f"select edition from marts.b{number}").fetchone()[0]
else:
    import duckdb
    def look(number):
        while True:
            try:
                with duckdb.connect(where, read_only=True) as connection:
                    return connection.execute(f"select edition from marts.b{number}").fetchone()[0]
            except duckdb.IOException:
                if kind != "between":
                    raise
                time.sleep(0.001)
look(0)
print("ready", flush=True)
found, first_seen, number = [], {}, 0
while not stop.is_set():
    begun = time.perf_counter()
    edition = look(number % %d)
    found.append(time.perf_counter() - begun)
    first_seen.setdefault(edition, time.monotonic())
    number += 1
print(json.dumps([found, first_seen]))
""".replace("%d", str(RELATIONS))


class Reader:
    """A process that reads until it is asked what it has found: seconds, one for each query."""

    def __init__(self, kind: str, where: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", READER, kind, where], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        self.process.stdout.readline()

    def found(self) -> tuple[list[float], dict[int, float]]:
        """Return the seconds of each query, and when each edition was seen first, by the clock of all processes."""
        said, _ = self.process.communicate("")
        found, first_seen = json.loads(said)
        return found, {int(edition): moment for edition, moment in first_seen.items()}


def project(folder: Path, kind: str, edition: int) -> Project:
    """Return the project, which is written at the first time."""
    if not folder.exists():
        (folder / "blocks" / "marts").mkdir(parents=True)
        copy = ", publish_copy: copy.duckdb" if kind == "copy" else ""
        target = f"{{engine: duckdb, path: w.duckdb{copy}}}"
        if kind == "postgres":
            target = f"{{engine: postgres, url: '{postgres_server.new_database()}'}}"
        (folder / "sqlflow.yml").write_text(f"name: r\nvars: {{edition: 0}}\ntargets: {{dev: {target}}}\n")
        for number in range(RELATIONS):
            (folder / "blocks" / "marts" / f"b{number}.sql").write_text("select {{ var('edition') }} as edition")
    return Project.load(folder, vars={"edition": edition})


def told(what: str, seconds: list[float]) -> None:
    cut = statistics.quantiles(seconds, n=100, method="inclusive")
    figures = f"p50 {cut[49] * 1000:7.2f} ms   p99 {cut[98] * 1000:8.2f} ms   max {max(seconds) * 1000:8.2f} ms"
    print(f"{what:<38} {len(seconds):>8,} times   {figures}", flush=True)


def measure(kind: str, folder: Path, publishes: int) -> None:
    """Print the times of queries without and with builds, of the publishing itself, and from there to the first reader."""
    assert project(folder, kind, 0).build().ok
    settings = project(folder, kind, 0).loaded.target.settings
    where = {"copy": str(folder / "copy.duckdb"), "between": str(folder / "w.duckdb")}.get(kind) or settings.url
    alone = Reader(kind, where)
    time.sleep(SECONDS_ALONE)
    told(f"{kind}: a query, nobody builds", alone.found()[0])
    swaps: list[float] = []
    published: dict[int, float] = {}

    def hear(event: Event) -> None:
        if isinstance(event, Published):
            swaps.append(event.seconds)
            published[edition] = time.monotonic()

    reader = Reader(kind, where)
    for edition in range(1, publishes + 1):
        time.sleep(PAUSE_SECONDS[kind])
        assert project(folder, kind, edition).build(listener=hear).ok
    time.sleep(1.0)
    found, seen = reader.found()
    told(f"{kind}: a query, {publishes} builds", found)
    told(f"{kind}: publishing {RELATIONS} relations", swaps)
    told(
        f"{kind}: from publishing to be seen",
        [max(0.0, seen[one] - at) for one, at in published.items() if one in seen],
    )


def main() -> None:
    publishes = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    folder = Path(tempfile.mkdtemp(prefix="sqlflow-readers-"))
    try:
        for kind in sys.argv[2:] or PAUSE_SECONDS:
            measure(kind, folder / kind, publishes)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        postgres_server.stop()


if __name__ == "__main__":
    main()
