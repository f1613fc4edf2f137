"""What a full build of small blocks takes on Postgres, beside the same statements by hand and beside dbt: client and server.

    python benchmarks/build_on_postgres.py [BLOCKS] [RUNS]

BLOCKS (100) of the synthetic warehouse, each tool in a fresh database of the tests' server, in turn. Figures are CPU seconds of the
client and of the server's processes for it, medians of RUNS (3).
"""

import shutil
import sys
from pathlib import Path

import peers
import warehouse
from assertions_on_postgres import BY_HAND
from measure import Figure, Server, medians

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
import postgres_server

SQLFLOW = Path(sys.executable).parent / "sqlflow"
PROFILE = """
bench:
  target: dev
  outputs:
    dev: {{type: postgres, host: {host}, port: {port}, user: {user}, password: none, dbname: {dbname}, schema: public, threads: 2}}
"""


def compared(folder: Path, blocks: int, runs: int) -> dict[str, Figure]:
    """Return what a build by `sqlflow`, by `hand` and by `dbt` takes, client and server together."""
    dbt = peers.dbt(folder / "peers")
    found: dict[str, list[Figure]] = {"sqlflow": [], "hand": [], "dbt": []}
    for _ in range(runs):
        for tool, figures in found.items():
            figures.append(_build(tool, folder / "postgres", blocks, dbt))
    return {tool: medians(figures) for tool, figures in found.items()}


def _build(tool: str, folder: Path, blocks: int, dbt: Path) -> Figure:
    shutil.rmtree(folder, ignore_errors=True)
    url = postgres_server.new_database()
    try:
        _write_sources(url)
        commands = {
            "sqlflow": [SQLFLOW, "build", "--quiet", "--threads", "2"],
            "hand": [sys.executable, "-c", BY_HAND, url],
            "dbt": [dbt, "build", "--quiet", "--profiles-dir", "."],
        }
        _write(tool, folder, blocks, url)
        client, server = Server.of_postgres(url).taken(commands[tool], folder)
        return client + server
    finally:
        postgres_server.drop_database(url)


def _write(tool: str, folder: Path, blocks: int, url: str) -> None:
    """Write the warehouse of a tool, whose sources are tables of the database."""
    from psycopg.conninfo import conninfo_to_dict

    warehouse.WRITERS["floor" if tool == "hand" else tool](folder, blocks)
    if tool == "sqlflow":
        sources = ", ".join(f"events_{number}: {{}}" for number in range(warehouse.SOURCES))
        target = f"targets: {{dev: {{engine: postgres, url: '{url}'}}}}\ntarget: dev\n"
        (folder / "sqlflow.yml").write_text(f"name: bench\nthreads: 2\nsources: {{raw: {{{sources}}}}}\n{target}")
    elif tool == "dbt":
        (folder / "profiles.yml").write_text(
            PROFILE.format(**{"port": 5432, "user": "postgres"} | conninfo_to_dict(url))
        )


def _write_sources(url: str) -> None:
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("create schema raw")
        for number in range(warehouse.SOURCES):
            query = warehouse.source_sql(number).replace("as double", "as double precision")
            rows = f"generate_series(0, {warehouse.ROWS} - 1) as range"
            connection.execute(f"create table raw.events_{number} as {query.replace(f'range({warehouse.ROWS})', rows)}")


def main() -> None:
    blocks, runs = int(sys.argv[1]) if len(sys.argv) > 1 else 100, int(sys.argv[2]) if len(sys.argv) > 2 else 3
    try:
        found = compared(Path(__file__).parents[1] / ".bench", blocks, runs)
    finally:
        postgres_server.stop()
    for tool, figure in found.items():
        ratio = found["sqlflow"].cpu / figure.cpu
        print(f"{tool}: CPU {figure.cpu:.2f} s, wall {figure.wall:.2f} s; sqlflow takes {ratio:.2f} of it")


if __name__ == "__main__":
    main()
