"""Rows of a block of one target carried to another: memory must not grow with them.

    python benchmarks/carried.py [ROWS]

Builds a table of six columns in DuckDB, carries it to Postgres, and from there to another DuckDB; beside it a tenth of the
rows. The server is that of the tests.
"""

import shutil
import sys
import tempfile
from pathlib import Path

from measure import Figure, taken

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
import postgres_server

SQLFLOW = Path(sys.executable).parent / "sqlflow"
PROJECT = """name: carried
target: lake
targets:
  lake: {{engine: duckdb, path: lake.duckdb, memory_limit: 500MB}}
  serve: {{engine: postgres, url: '{url}'}}
  back: {{engine: duckdb, path: back.duckdb, memory_limit: 500MB}}
"""
BLOCKS = {
    "made": (
        "lake",
        "select range as id, range % 1000 as code, range / 7.0 as share, 'name ' || (range % 5000) as name,"
        " date '2020-01-01' + (range % 2000)::int as day, range % 3 = 0 as is_third from range({rows})",
    ),
    "served": ("serve", "select * from made"),
    "again": ("back", "select * from served"),
}


def built(folder: Path, rows: int) -> dict[str, Figure]:
    """Build block after block, and return what each took."""
    shutil.rmtree(folder, ignore_errors=True)
    url = postgres_server.new_database()
    (folder / "blocks" / "t").mkdir(parents=True)
    (folder / "sqlflow.yml").write_text(PROJECT.format(url=url))
    for name, (target, query) in BLOCKS.items():
        text = f"/*---\ntarget: {target}\n---*/\n{query.format(rows=rows)}\n"
        (folder / "blocks" / "t" / f"{name}.sql").write_text(text)
    try:
        found = {name: taken([SQLFLOW, "build", name], folder) for name in BLOCKS}
        return found | {"nothing to do": taken([SQLFLOW, "build"], folder)}
    finally:
        postgres_server.drop_database(url)


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000
    folder = Path(tempfile.mkdtemp(prefix="sqlflow-carried-"))
    try:
        for count in (rows // 10, rows):
            for name, figure in built(folder, count).items():
                print(f"{count:>11,} rows  {name:<14} {figure.cpu:7.1f} CPU s {figure.megabytes:6.0f} MB", flush=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        postgres_server.stop()


if __name__ == "__main__":
    main()
