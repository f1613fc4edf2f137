"""Exports into tables of other targets, over DuckDB and Postgres: whole, once, and nothing of what others have made."""

import json
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import crash
import duckdb
import psycopg
import pytest
from support import write
from test_between_targets import DUCKDB_VALUES, POSTGRES_VALUES, _told, _values

from sqlflow import Project
from sqlflow.core import failpoints
from sqlflow.core.errors import BusyError, SqlflowError
from sqlflow.read.engines import engine
from sqlflow.run.fitting import holds

PROJECT = """
name: p
vars: {{edition: 1, rows: 3}}
target: {own}
targets:
  lake: {{engine: duckdb, path: lake.duckdb}}
  serve: {{engine: postgres, url: '{url}', connect_timeout: 60}}
"""
ORDERS = "select id, 10 * id + {{ var('edition') }} as amount from generate_series(1, {{ var('rows') }}) as t (id)"


@pytest.fixture(params=["lake", "serve"])
def own(request: pytest.FixtureRequest) -> str:
    """The target in which the block is built; it is exported to the other."""
    return str(request.param)


def other(own: str) -> str:
    return "serve" if own == "lake" else "lake"


def project(folder: Path, url: str, own: str, export: str, query: str = ORDERS) -> Path:
    front = f"/*---\nexport: {{target: {other(own)}, table: shop.orders, {export}}}\nassert: [amount > 0]\n---*/\n"
    return write(
        folder, {"sqlflow.yml": PROJECT.format(url=url, own=own), "blocks/marts/orders.sql": front + query}
    )  # fmt: skip


def build(folder: Path, edition: int = 1, rows: int = 3, **options: Any) -> Any:
    return Project.load(folder, vars={"edition": edition, "rows": rows}).build(**options)


def asked(folder: Path, url: str, target: str, *statements: str) -> list[tuple[Any, ...]]:
    """Run statements in a target as somebody else, and return the rows of the last one."""
    if target == "lake":
        with duckdb.connect(str(folder / "lake.duckdb"), config={"storage_compatibility_version": "v1.5.0"}) as lake:
            for statement in statements:
                lake.execute(statement)
            return lake.fetchall()
    with psycopg.connect(url) as serve:
        for statement in statements:
            cursor = serve.execute(statement)  # type: ignore[call-overload]
        return cursor.fetchall() if cursor.description else []


@pytest.fixture
def orders(tmp_path: Path, postgres_url: str, own: str) -> Callable[[], list[tuple[Any, ...]]]:
    """What a reader of the other target finds in the table."""
    return lambda: asked(tmp_path, postgres_url, other(own), "select id, amount from shop.orders order by 1, 2")


ONE, TWO = [(1, 11), (2, 21), (3, 31)], [(1, 12), (2, 22)]


@pytest.mark.parametrize(
    ("export", "then"),
    [
        ("mode: replace", TWO),
        ("mode: append", sorted(ONE + TWO)),
        ("mode: upsert, key: [ID]", [(1, 12), (2, 22), (3, 31)]),
    ],
    ids=["replace", "append", "upsert"],
)
def test_the_rows_of_each_version_go_into_the_table_once(
    export: str, then: Any, tmp_path: Path, postgres_url: str, own: str, orders: Any
) -> None:
    folder = project(tmp_path, postgres_url, own, export)
    assert build(folder).ok
    assert orders() == ONE
    assert build(folder, 2, 2).ok
    assert build(folder, 2, 2).ok
    assert orders() == then


@pytest.mark.parametrize("export", ["mode: append", "mode: upsert, key: id"])
def test_a_table_that_is_gone_is_made_again_and_one_that_somebody_made_again_gets_the_next_version(
    export: str, tmp_path: Path, postgres_url: str, own: str, orders: Any
) -> None:
    folder = project(tmp_path, postgres_url, own, export)
    assert build(folder).ok
    assert build(folder, 2, 2).ok
    asked(folder, postgres_url, other(own), "drop table shop.orders")
    assert build(folder, 2, 2).ok
    assert orders() == TWO  # what was published before is not there any more
    again = ("create table shop.again as select * from shop.orders where id = 1", "drop table shop.orders")
    asked(folder, postgres_url, other(own), *again, "alter table shop.again rename to orders")
    assert build(folder, 2, 2).ok
    assert orders() == TWO[:1]
    assert build(folder, 3, 1).ok
    assert orders() == ([(1, 12), (1, 13)] if export == "mode: append" else [(1, 13)])


@pytest.mark.parametrize(
    ("own", "values"), [("lake", DUCKDB_VALUES), ("serve", POSTGRES_VALUES)], ids=["from duckdb", "from postgres"]
)
@pytest.mark.parametrize("export", ["mode: replace", "mode: append", "mode: upsert, key: id"])
def test_every_type_that_is_carried_over_goes_into_a_table_and_again(
    export: str, own: str, values: dict[str, str], tmp_path: Path, postgres_url: str
) -> None:
    query = f"select *, 1 as amount, '{{{{ var('edition') }}}}' as edition from ({_values(values)}) as v"
    folder = project(tmp_path, postgres_url, own, export, query)
    for edition in (1, 2):
        report = build(folder, edition)
        assert report.ok, report.problems
    columns = ", ".join(f"c{number}" for number in range(len(values)))

    def told(target: str, table: str, where: str = "") -> list[list[str]]:
        rows = asked(folder, postgres_url, target, f"select {columns} from {table} {where} order by id")
        return [[_told(json.dumps(value) if isinstance(value, dict) else value) for value in row] for row in rows]

    there = told(other(own), "shop.orders", "where edition = '2'")
    assert len(there) == 2
    assert there == told(own, "marts.orders")


@pytest.mark.parametrize("failure", ["export:1:raise", "exported:1:raise", "insert sqlflow_exported:1:raise"])
def test_a_move_that_was_cut_off_is_made_up_for_by_the_next_build(
    failure: str, tmp_path: Path, postgres_url: str, own: str, orders: Any
) -> None:
    folder = project(tmp_path, postgres_url, own, "mode: append")
    assert build(folder).ok
    with failpoints.armed(failure):
        build(folder, 2, 2)
    assert build(folder, 2, 2).ok
    assert orders() == sorted(ONE + TWO)


STEPS = ["load", "export", "insert shop", "insert sqlflow_exported", "drop table", "commit", "committed", "exported"]


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("mode", ["replace", "append", "upsert, key: id"])
def test_a_run_that_is_killed_at_any_step_is_made_up_for_and_nothing_goes_in_twice(
    mode: str, step: str, tmp_path: Path, postgres_url: str
) -> None:
    folder = project(tmp_path, postgres_url, "lake", f"mode: {mode}")
    assert build(folder).ok
    for nth in range(1, 30 if step.startswith("commit") else 2):
        process = crash.in_process(folder, f"{step}:{nth}:kill")
        process.join()
        if process.exitcode == 0:
            break
        assert process.exitcode == -signal.SIGKILL
        found = asked(folder, postgres_url, "serve", "select count(*), sum(amount) from shop.orders")[0]
        assert found in {(3, 63), (3, 66), (6, 129)}
    assert build(folder, 2).ok
    there = asked(folder, postgres_url, "serve", "select id, amount from shop.orders order by 1, 2")
    first, second = ONE, [(1, 12), (2, 22), (3, 32)]
    assert there == (sorted(first + second) if mode == "append" else second)
    left = (
        "select relname from pg_class join pg_namespace on relnamespace = pg_namespace.oid where nspname = '_sqlflow'"
    )
    assert asked(folder, postgres_url, "serve", f"{left} and relkind = 'r' and relname not like 'sqlflow%'") == []


def test_a_commit_whose_answer_is_lost_is_told_as_it_happened(
    tmp_path: Path, postgres_url: str, own: str, orders: Any
) -> None:
    folder = project(tmp_path, postgres_url, own, "mode: append")
    assert build(folder).ok
    fired = 0
    for nth in range(1, 30):
        with failpoints.armed(f"committed:{nth}:raise") as failure, suppress(SqlflowError):
            build(folder, 1 + nth, 1)
        if not failure.has_happened:
            break
        fired += 1
        assert build(folder, 1 + nth, 1).ok
        assert orders()[: 1 + nth] == [(1, 10 + edition) for edition in range(1, 2 + nth)]
    assert fired > 3


def test_what_depends_on_a_table_stays_when_its_rows_are_replaced(tmp_path: Path, postgres_url: str) -> None:
    folder = project(tmp_path, postgres_url, "lake", "mode: replace")
    assert build(folder).ok
    asked(
        folder, postgres_url, "serve", "create index on shop.orders (id)", "grant select on shop.orders to public",
        "create view shop.sums as select sum(amount) as amount from shop.orders",
    )  # fmt: skip
    assert build(folder, 2).ok
    assert asked(folder, postgres_url, "serve", "select amount from shop.sums") == [(66,)]
    kept = "select count(*) from pg_indexes where tablename = 'orders' and schemaname = 'shop'"
    assert asked(folder, postgres_url, "serve", kept) == [(1,)]
    write(folder, {"blocks/marts/orders.sql": (folder / "blocks/marts/orders.sql").read_text() + " where id > 0"})
    text = (folder / "blocks/marts/orders.sql").read_text().replace("as amount", "as amount, 1 as more")
    write(folder, {"blocks/marts/orders.sql": text})
    report = build(folder, 3)
    assert [problem.message for problem in report.problems] == [
        "`export` of `marts.orders`: `shop.orders` in `serve` gets other columns and is read by `shop.sums`"
    ]
    assert (report.published, asked(folder, postgres_url, "serve", "select amount from shop.sums")) == ((), [(66,)])


def test_rows_are_added_to_a_table_of_somebody_else(tmp_path: Path, postgres_url: str) -> None:
    folder = project(
        tmp_path,
        postgres_url,
        "lake",
        "mode: upsert, key: id",
        "select 1 as id, 5 as amount, null as note, '{}' as extra",
    )
    asked(
        folder, postgres_url, "serve", "create schema shop",
        "create table shop.orders (number int generated always as identity, id bigint primary key, amount numeric(12, 2),"
        " note varchar(20), extra json, at timestamptz not null default '2026-01-01 00:00+00')",
        "insert into shop.orders (id, amount, note) values (1, 1, 'old'), (2, 2, 'theirs')",
    )  # fmt: skip
    write(
        folder,
        {
            "blocks/marts/orders.sql": (folder / "blocks/marts/orders.sql").read_text()
            + " union all select 3, 7, 'new', '[1]'"
        },
    )
    report = build(folder)
    assert report.ok, report.problems
    rows = asked(
        folder, postgres_url, "serve", "select id, amount::int, note, extra::text from shop.orders order by id"
    )
    assert rows == [(1, 5, None, "{}"), (2, 2, "theirs", None), (3, 7, "new", "[1]")]


def test_what_the_table_refuses_leaves_it_as_it_is_and_is_told_at_the_export(tmp_path: Path, postgres_url: str) -> None:
    folder = project(tmp_path, postgres_url, "lake", "mode: append")
    asked(
        folder, postgres_url, "serve", "create schema shop",
        "create table shop.orders (id bigint primary key, amount bigint check (amount < 20))",
    )  # fmt: skip
    report = build(folder)
    (problem,) = report.problems
    assert 'violates check constraint "orders_amount_check"' in problem.message
    assert (report.exit_code, str(problem.place)) == (1, "blocks/marts/orders.sql:2:32")
    assert [str(name) for name in report.published] == ["marts.orders"]
    assert asked(folder, postgres_url, "serve", "select count(*) from shop.orders") == [(0,)]
    assert build(folder, rows=1).ok


def test_a_target_that_is_only_exported_to_is_held_for_the_whole_run(tmp_path: Path, postgres_url: str) -> None:
    folder = project(tmp_path / "one", postgres_url, "lake", "mode: append")
    rival = project(tmp_path / "other", postgres_url, "lake", "mode: append")
    process, said = crash.in_process_that_speaks(folder, "export:1:hang")
    assert said.startswith("hangs at")
    with pytest.raises(BusyError, match=f"pid {process.pid}"):
        build(rival, lock_timeout=0)
    process.kill()
    process.join()
    assert build(rival).ok


def test_promoting_exports_to_a_target_that_is_not_there_yet(tmp_path: Path) -> None:
    targets = "target: lake\ntargets:\n  lake: {engine: duckdb, path: lake.duckdb}\n"
    folder = write(tmp_path, {"sqlflow.yml": f"name: p\n{targets}", "blocks/marts/orders.sql": "select 1 as id"})
    assert Project.load(folder, environment="dev").build().ok
    write(
        folder,
        {
            "sqlflow.yml": f"name: p\n{targets}  shop: {{engine: duckdb, path: shop.duckdb}}\n",
            "blocks/marts/orders.sql": "/*---\nexport: {target: shop}\n---*/\nselect 1 as id",
        },
    )
    assert Project.load(folder).promote("dev").ok
    with duckdb.connect(str(folder / "shop.duckdb"), read_only=True) as shop:
        assert shop.execute("select id from marts.orders").fetchall() == [(1,)]


def test_a_copy_of_a_target_holds_what_was_exported_into_it(tmp_path: Path) -> None:
    targets = (
        "lake: {engine: duckdb, path: lake.duckdb}\n  shop: {engine: duckdb, path: shop.duckdb, publish_copy: c.duckdb}"
    )
    block = "/*---\nexport: {target: shop}\n---*/\nselect %d as id"
    for number in (1, 2):
        files = {
            "sqlflow.yml": f"name: p\ntarget: lake\ntargets:\n  {targets}\n",
            "blocks/marts/orders.sql": block % number,
        }
        assert Project.load(write(tmp_path, files)).build().ok
        with duckdb.connect(str(tmp_path / "c.duckdb"), read_only=True) as copy:
            assert copy.execute("select id from marts.orders").fetchall() == [(number,)]


@pytest.mark.parametrize(
    ("name", "given", "fitting", "unfitting"),
    [
        ("duckdb", "INTEGER", "int bigint hugeint double decimal(12,2)", "smallint float varchar decimal(10,2) uinteger"),
        ("duckdb", "BIGINT", "hugeint decimal(38,0)", "integer double ubigint"),
        ("duckdb", "DECIMAL(10,2)", "decimal(12,2) decimal(38,4)", "decimal(10,3) decimal(9,2) double bigint"),
        ("duckdb", "VARCHAR", "text uuid json ENUM('a','b')", "integer date blob"),
        ("duckdb", "DATE", "timestamp", "timestamptz varchar"),
        ("duckdb", "FLOAT", "double", "decimal(18,3) integer"),
        ("postgres", "integer", "bigint numeric numeric(10,0) double", "smallint real text numeric(10,2)"),
        ("postgres", "bigint", "numeric numeric(19,0)", "integer double"),
        ("postgres", "numeric(10,2)", "numeric numeric(11,3)", "numeric(10,3) double integer"),
        ("postgres", "text", "varchar(5) uuid json jsonb", "integer date character(3) bytea"),
        ("postgres", "timestamp without time zone", "timestamp", "timestamptz date"),
        ("postgres", "jsonb", "json", "text"),
        ("postgres", "real", "double", "numeric(10,2)"),
    ],
)  # fmt: skip
def test_a_column_fits_where_no_value_is_lost_in_silence(name: str, given: str, fitting: str, unfitting: str) -> None:
    found = {kind: holds(kind, given, engine(name)) for kind in f"{fitting} {unfitting}".split()}
    assert found == {**dict.fromkeys(fitting.split(), True), **dict.fromkeys(unfitting.split(), False)}
