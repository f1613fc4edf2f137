"""What assertions on many rows take: those of one block in DuckDB, beside the same rules as one query each by hand.

    python benchmarks/assertions.py [MILLIONS] [RUNS]

20 assertions on MILLIONS (20) of rows. Only they run: the block is built before, and what has passed is forgotten each time.
CPU seconds, the median of RUNS (3), both sides in turn.
"""

import sys
import tempfile
from pathlib import Path

from measure import Figure, in_turn, taken

BIN = Path(sys.executable).parent
ROWS = """
select range as id, range % 1000003 as customer_id, range * 7919 % 1000 as amount, range % 5 as kind,
       date '2020-01-01' + (range % 1500)::integer as day, 'N' || range % 4000 as code
from range({rows})
"""
RULES = {
    **{f"{column} is not null": f"not_null: {column}" for column in ("id", "customer_id", "amount", "kind", "day", "code")},
    **{rule: rule for rule in (
        "id >= 0", "amount >= 0", "amount < 1000", "kind between 0 and 4", "day >= date '2020-01-01'",
        "day < date '2025-01-01'", "customer_id >= 0", "customer_id <= 1000003", "amount <= 10 * 100", "length(code) > 1",
        "code like 'N%'", "amount + kind >= 0",
    )},
    "kind in (0, 1, 2, 3, 4)": "accepted_values: {kind: [0, 1, 2, 3, 4]}",
}  # fmt: skip
UNIQUE = "select count(*) from (select id from main.block group by id having count(*) > 1)"
BY_HAND = """
import duckdb
connection = duckdb.connect("warehouse.duckdb", config={"threads": 2})
for statement in open("floor.sql").read().split(";"):
    if statement.strip():
        connection.execute(statement).fetchall()
"""


def main() -> None:
    millions, runs = (float(sys.argv[1]) if len(sys.argv) > 1 else 20.0), int(sys.argv[2]) if len(sys.argv) > 2 else 3
    ours, floor = compared(millions, runs)
    print(f"20 assertions: CPU {ours.cpu:.2f} s, wall {ours.wall:.2f} s, {ours.megabytes:.0f} MB")
    print(f"20 queries by hand: CPU {floor.cpu:.2f} s, wall {floor.wall:.2f} s, {floor.megabytes:.0f} MB")
    print(f"ratio: CPU {ours.cpu / floor.cpu:.2f}, wall {ours.wall / floor.wall:.2f}; budget 1.0")


def compared(millions: float, runs: int) -> tuple[Figure, Figure]:
    """Return what 20 assertions take on so many millions of rows, and 20 queries by hand."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "blocks").mkdir()
        (folder / "sqlflow.yml").write_text(
            "name: assertions\nthreads: 2\ntargets: {dev: {engine: duckdb, path: warehouse.duckdb, threads: 2}}\ntarget: dev\n"
        )
        rules = "\n".join(f"  - {rule}" for rule in ("unique: id", *RULES.values()))
        (folder / "blocks/block.sql").write_text(
            f"/*---\nassert:\n{rules}\n---*/\n{ROWS.format(rows=int(millions * 1e6))}"
        )
        by_hand = [UNIQUE, *(f"select count(*) from main.block where not ({condition})" for condition in RULES)]
        (folder / "floor.sql").write_text(";\n".join(by_hand))
        taken([BIN / "sqlflow", "build", "--quiet"], folder)
        return in_turn(
            lambda: taken([BIN / "sqlflow", "test", "--quiet"], folder),
            lambda: taken([sys.executable, "-c", BY_HAND], folder),
            runs,
        )


if __name__ == "__main__":
    main()
