"""Few heavy blocks: 20 blocks with 40 assertions over tables like TPC-H's, beside the same statements by hand.

    python benchmarks/heavy.py [MILLIONS] [RUNS]

MILLIONS (6) of lines of orders. Both sides have 2 threads and run in turn; what counts is wall time, told as the median of RUNS
(3) and as a ratio, with CPU seconds beside. By hand the statements go one after the other through one connection, each
with all threads: the best that can be done without knowing what depends on what.
"""

import shutil
import sys
import tempfile
from pathlib import Path

from measure import Figure, in_turn, taken

BIN = Path(sys.executable).parent
BY_HAND = """
import duckdb
connection = duckdb.connect("warehouse.duckdb", config={"threads": 2})
for statement in open("floor.sql").read().split(";"):
    if statement.strip():
        connection.execute(statement).fetchall()
"""
LINES = """
select range as line_id, range // 4 as order_id, range * 7919 % 200000 as part_id, range * 104729 % 10000 as supplier_id,
       1 + range * 31 % 50 as quantity, round(900 + range * 37 % 99000 / 7.0, 2) as price, range % 11 / 100.0 as discount,
       range % 9 / 100.0 as tax, date '1992-01-01' + (range * 13 % 2500)::integer as shipped_on,
       case range % 3 when 0 then 'A' when 1 then 'N' else 'R' end as flag
from range({lines})
"""
ORDERS = """
select range as order_id, range * 6151 % 150000 as customer_id, date '1992-01-01' + (range * 13 % 2400)::integer as ordered_on,
       case range % 5 when 0 then 'URGENT' when 1 then 'HIGH' else 'LOW' end as priority, range % 25 as nation_id
from range({orders})
"""
PRICED = "select *, price * (1 - discount) as net, price * (1 - discount) * (1 + tax) as gross from {source}"
JOINED = "select l.*, o.customer_id, o.ordered_on, o.priority, o.nation_id from {source} as l join stage.orders as o using (order_id)"
DAILY = (
    "select shipped_on, flag, count(*) as lines, sum(net) as net, avg(quantity) as quantity from {source} group by all"
)
BY_CUSTOMER = """
select customer_id, count(distinct order_id) as orders, sum(gross) as gross, max(ordered_on) as last_on,
       row_number() over (order by sum(gross) desc, customer_id) as place
from {source} group by customer_id
"""
BY_PART = """
select part_id, supplier_id, sum(quantity) as quantity, sum(net) as net, median(price) as price
from {source} group by part_id, supplier_id
"""
LATEST = """
select * from (select *, row_number() over (partition by customer_id order by ordered_on desc, line_id) as nth from {source})
where nth <= 3
"""
Block = tuple[str, str, tuple[str, str]]
"""Its name, its query, and two expressions: one that is unique and one that holds for every row."""


def blocks() -> list[Block]:
    found: list[Block] = [
        ("stage.orders", "select * from raw.orders", ("order_id", "priority in ('URGENT', 'HIGH', 'LOW')")),
        ("stage.lines", PRICED.format(source="raw.lines"), ("line_id", "net <= price")),
        ("core.facts", JOINED.format(source="stage.lines"), ("line_id", "gross >= 0")),
        ("core.late", "select * from core.facts where shipped_on > ordered_on + 30", ("line_id", "quantity > 0")),
        ("core.early", "select * from core.facts where shipped_on <= ordered_on + 30", ("line_id", "quantity > 0")),
    ]
    for source in ("facts", "late", "early"):
        full = f"core.{source}"
        found += [
            (f"mart.daily_{source}", DAILY.format(source=full), ("shipped_on, flag", "lines > 0")),
            (f"mart.customers_{source}", BY_CUSTOMER.format(source=full), ("customer_id", "orders > 0")),
            (f"mart.parts_{source}", BY_PART.format(source=full), ("part_id, supplier_id", "quantity > 0")),
            (f"mart.latest_{source}", LATEST.format(source=full), ("line_id", "nth between 1 and 3")),
            (f"mart.best_{source}", f"select * from mart.customers_{source} where place <= 1000", ("place", "gross > 0")),
        ]  # fmt: skip
    return found


def write(folder: Path, lines: int) -> None:
    import duckdb

    (folder / "data").mkdir(parents=True)
    for name, query in (("lines", LINES.format(lines=lines)), ("orders", ORDERS.format(orders=lines // 4))):
        duckdb.sql(f"copy ({query}) to '{folder}/data/{name}.parquet'")
    sources = "".join(f"    {name}: {{files: data/{name}.parquet}}\n" for name in ("lines", "orders"))
    (folder / "sqlflow.yml").write_text(f"name: heavy\nthreads: 2\nsources:\n  raw:\n{sources}"
        "targets: {dev: {engine: duckdb, path: warehouse.duckdb, threads: 2}}\ntarget: dev\n")  # fmt: skip
    floor = [f"create schema if not exists {schema};" for schema in ("stage", "core", "mart")]
    for name, query, (unique, holds) in blocks():
        file = folder / f"blocks/{name.replace('.', '/')}.sql"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"/*---\nassert:\n  - unique: [{unique}]\n  - {holds}\n---*/\n{query}\n")
        by_hand = query.replace("raw.lines", "'data/lines.parquet'").replace("raw.orders", "'data/orders.parquet'")
        floor += [
            f"create table {name} as {by_hand};",
            f"select count(*) from (select {unique} from {name} group by all having count(*) > 1);",
            f"select count(*) from {name} where not ({holds});",
        ]
    (folder / "floor.sql").write_text("\n".join(floor))


def main() -> None:
    millions, runs = (float(sys.argv[1]) if len(sys.argv) > 1 else 6.0), int(sys.argv[2]) if len(sys.argv) > 2 else 3
    ours, floor = compared(millions, runs)
    print(f"a build: {ours.wall:.1f} s, CPU {ours.cpu:.1f} s, {ours.megabytes:.0f} MB")
    print(f"by hand: {floor.wall:.1f} s, CPU {floor.cpu:.1f} s, {floor.megabytes:.0f} MB")
    print(f"ratio: wall {ours.wall / floor.wall:.2f}, CPU {ours.cpu / floor.cpu:.2f}; budget 1.05")


def compared(millions: float, runs: int) -> tuple[Figure, Figure]:
    """Return what a build takes over so many millions of lines, and what the same takes by hand."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "heavy"
        write(folder, int(millions * 1e6))
        build, by_hand = [BIN / "sqlflow", "build", "--quiet", "--threads", "2"], [sys.executable, "-c", BY_HAND]
        return in_turn(lambda: _fresh(folder, build), lambda: _fresh(folder, by_hand), runs)


def _fresh(folder: Path, command: list[str | Path]) -> Figure:
    for file in folder.glob("warehouse.duckdb*"):
        file.unlink()
    shutil.rmtree(folder / ".sqlflow", ignore_errors=True)
    return taken(command, folder)


if __name__ == "__main__":
    main()
