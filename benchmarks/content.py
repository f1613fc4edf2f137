"""What it takes to hash what blocks hold, so that readers of an equal one are left alone, beside building these blocks.

    python benchmarks/content.py [MILLIONS] [RUNS]

MILLIONS (1) of lines of orders, on DuckDB and on Postgres, with one thread each. A build is the statements that make a block's
table and tell the planner of it. Figures are CPU seconds, of Postgres those of the server's process (from `/proc`), the least
of RUNS (3) each. Copies are the dearest: nothing is computed that a hash could be small beside.
"""

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import process_time

from sqlflow.core.engine import Engine, Session
from sqlflow.core.names import TableName
from sqlflow.read.engines import engine

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
import postgres_server

ALL = "all"
LINES = """
select cast(n as bigint) as line_id, cast(floor(n / 4.0) as bigint) as order_id, cast(n * 7919 % 200000 as integer) as part_id,
       cast(n * 104729 % 10000 as integer) as supplier_id, cast(1 + n * 31 % 50 as integer) as quantity,
       cast((90000 + n * 37 % 9900000) / 100.0 as decimal(12, 2)) as price, cast(n % 11 as double precision) / 100 as discount,
       date '1992-01-01' + cast(n * 13 % 2500 as integer) as shipped_on,
       case n % 3 when 0 then 'A' when 1 then 'N' else 'R' end as flag
from (select cast(i as bigint) as n from generate_series(0, {last}) as series (i)) as numbers
"""
ORDERS = """
select cast(n as bigint) as order_id, cast(n * 6151 % 150000 as integer) as customer_id,
       date '1992-01-01' + cast(n * 13 % 2400 as integer) as ordered_on, case n % 5 when 0 then 'HIGH' else 'LOW' end as priority
from (select cast(i as bigint) as n from generate_series(0, {last}) as series (i)) as numbers
"""
BLOCKS = {
    "a copy": "select * from lines",
    "expressions": "select line_id, order_id, part_id, quantity, shipped_on, flag, price * (1 - discount) as net,"
    " round(price * quantity, 1) as gross, upper(flag) || '-' || cast(part_id as varchar) as code from lines",
    "a join": "select l.line_id, l.part_id, l.price, l.quantity, l.shipped_on, o.customer_id, o.ordered_on, o.priority"
    " from lines as l join orders as o on o.order_id = l.order_id",
    "sums by day": "select shipped_on, flag, count(*) as lines, sum(price) as price from lines group by shipped_on, flag",
    "sums by part": "select part_id, supplier_id, count(distinct order_id) as orders, sum(price * quantity) as gross,"
    " max(shipped_on) as last_on from lines group by part_id, supplier_id",
    "a window": "select line_id, order_id, supplier_id, price, sum(price) over (partition by supplier_id order by line_id) as"
    " running from lines",
    "the latest": "select * from (select *, row_number() over (partition by order_id order by shipped_on desc, line_id) as nth"
    " from lines) as numbered where nth = 1",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU seconds of one block."""

    build: float
    content: float


def main() -> None:
    millions = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
    runs = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    for name in engines():
        costs = measured(name, int(millions * 1_000_000), runs)
        for block, cost in costs.items():
            print(
                f"{name:<9} {block:<13} {cost.build:6.2f} CPU s {cost.content:6.2f}  {cost.content / cost.build:6.1%}"
            )
    postgres_server.stop()


def engines() -> list[str]:
    """Return the engines that can be measured here."""
    is_postgres = postgres_server.binaries() is not None and Path("/proc/self/stat").exists()
    return ["duckdb", *(["postgres"] if is_postgres else [])]


def measured(name: str, lines: int, runs: int) -> dict[str, Cost]:
    """Return what each block and its hash take on an engine, and what all of them do."""
    with opened(name) as (adapter, session, clock):
        for table, query, rows in (("lines", LINES, lines), ("orders", ORDERS, lines // 4)):
            session.execute(f"create table {table} as {query.format(last=rows - 1)}")
            session.execute(f"analyze {table}")
        costs = {block: _least(adapter, session, clock, query, runs) for block, query in BLOCKS.items()}
    whole = Cost(sum(cost.build for cost in costs.values()), sum(cost.content for cost in costs.values()))
    return {**costs, ALL: whole}


def _least(adapter: Engine, session: Session, clock: Callable[[], float], query: str, runs: int) -> Cost:
    relation, found = TableName("made", "block"), []
    for _ in range(runs):
        session.execute(f"drop table if exists {relation.sql}")
        times = [clock()]
        session.execute(f"{adapter.create(relation, 'table', {})} as {query}")
        for statement in adapter.analyzed(relation, {}):
            session.execute(statement)
        times.append(clock())
        content = adapter.content(relation, session.columns(f"select * from {relation.sql}"), False)
        assert content is not None
        times.append(clock())
        session.rows(content)
        times.append(clock())
        found.append(Cost(times[1] - times[0], times[3] - times[2]))
    return Cost(min(cost.build for cost in found), min(cost.content for cost in found))


@contextmanager
def opened(name: str) -> Iterator[tuple[Engine, Session, Callable[[], float]]]:
    """Yield an engine, a session in an empty database, and what tells how many CPU seconds were taken for it so far."""
    adapter = engine(name)
    url = postgres_server.new_database() if name == "postgres" else ""
    with tempfile.TemporaryDirectory() as folder:
        given = {"url": url} if url else {"path": "warehouse.duckdb", "threads": 1}
        connection = adapter.open(adapter.settings(engine=name, **given), Path(folder))
        session = connection.session()
        session.execute("create schema made")
        if url:
            session.execute("set max_parallel_workers_per_gather = 0")
            (pid,) = session.rows("select pg_backend_pid()").rows[0]
            yield adapter, session, lambda: _process_seconds(pid)
        else:
            yield adapter, session, process_time
        session.close()
        connection.close()
    if url:
        postgres_server.drop_database(url)
        postgres_server.stop()


def _process_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
