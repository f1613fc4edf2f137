"""Static checks give no false alarm: every statement of the fixtures, with its tables known and unknown, and the example."""

import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import duckdb
import postgres_server
import psycopg
import pytest
from support import project as project_of
from support import write
from test_example import EXAMPLE
from test_inference import CASES as STATEMENTS
from test_lineage import CASES as QUERIES
from test_lineage import SCHEMA, TABLES

from sqlflow import Project
from sqlflow.core.block import Block, Query
from sqlflow.core.config import BlockConfig
from sqlflow.core.engine import Column
from sqlflow.core.errors import TargetError
from sqlflow.core.names import TableName
from sqlflow.core.text import MappedText, Place, SourceFile
from sqlflow.plan.graph import graph
from sqlflow.read.engines import engine
from sqlflow.read.sql import infer
from sqlflow.run import static_check

WRONG = {"a column that nobody has"}
"""The queries of the fixtures that DuckDB itself refuses for their columns."""


def block(sql: str) -> Block:
    """Return a block of a query whose tables are sources."""
    source = SourceFile("blocks/own_schema/checked.sql", sql)
    text = MappedText.whole(source)
    found = infer(text, engine("duckdb"), Place(source.path))
    query = Query(text.slice(0, found.end), found.tables, found.files, opaque=found.opaque, unclear=found.unclear)
    return Block(TableName("own_schema", "checked"), "sql", source, BlockConfig(), query)


def checked(sql: str, known: static_check.Known) -> static_check.Checked:
    project = project_of(block(sql))
    with static_check.shapes(graph(project), known) as shapes:
        return static_check.checked(shapes, project.blocks)


def columns_of(names: Iterable[str]) -> dict[TableName, tuple[Column, ...]]:
    with duckdb.connect(config={"threads": 1}) as there:
        there.execute(SCHEMA)
        return {
            TableName.parse(name): tuple(Column(*row[:2]) for row in there.execute(f"describe {name}").fetchall())
            for name in names
        }


KNOWN = columns_of(TABLES)


@pytest.mark.parametrize("case", [case for case in QUERIES if case.name not in WRONG], ids=lambda case: case.name)
def test_a_query_over_known_tables_gives_no_false_alarm(case: object) -> None:
    assert checked(case.sql, KNOWN.get).problems == ()  # type: ignore[attr-defined]


@pytest.mark.parametrize("case", STATEMENTS, ids=lambda case: case.name)
def test_a_statement_over_unknown_tables_gives_no_alarm(case: object) -> None:
    assert checked(case.sql, lambda name: None).problems == ()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "written", ["shop.orders", "SHOP.Orders", '"a shop".orders', "orders", "memory.orders", "temp.orders", "system.orders",
                "main.orders", "pg_catalog.orders", "information_schema.orders", "other.shop.orders"],
)  # fmt: skip
def test_a_table_of_any_name_is_looked_into(written: str) -> None:
    """Some are names that DuckDB gives to its own databases and schemas, also to the one in memory that is asked."""
    known = {TableName.parse(written): (Column("id", "INTEGER"),)}
    right = f"select id, {written}.id as own, (with orders as (select id from {written}) select max(id) from orders) from {written}"
    assert checked(right, known.get) == static_check.Checked((TableName("own_schema", "checked"),), (), {})
    (fault,) = checked(f"select id, nope from {written}", known.get).problems
    assert (str(fault.place), fault.hint) == ("blocks/own_schema/checked.sql:1:12", "there are `id`")


@pytest.mark.parametrize(("divides_whole", "type_"), [(False, "double"), (True, "integer")])
def test_a_query_is_read_as_the_settings_of_its_target_say(tmp_path: Path, divides_whole: bool, type_: str) -> None:
    """What was parsed to find its tables was parsed without them."""
    settings = (
        f"name: p\ntargets: {{dev: {{engine: duckdb, settings: {{integer_division: {divides_whole}}}}}}}\n".lower()
    )
    query = "/*---\ncontract: true\ncolumns: {half: {type: integer}}\n---*/\nselect 7 / 2 as half"
    files = {"sqlflow.yml": settings, "blocks/halves.sql": query, "blocks/below.sql": "select half from halves"}
    project = Project.load(write(tmp_path, files))
    with static_check.shapes(project.graph, lambda name: None) as shapes:
        static_check.checked(shapes, project.graph.order)
        assert [column.type.lower() for column in shapes.of(TableName("main", "below")).columns] == [type_]


def test_most_queries_over_known_tables_are_checked() -> None:
    """Else their silence would show nothing."""
    unknown = [case.name for case in QUERIES if checked(case.sql, KNOWN.get).unknown]
    assert len(unknown) < 0.1 * len(QUERIES), unknown


def test_the_queries_of_the_example_are_right() -> None:
    if not (Path(EXAMPLE) / "data").is_dir():
        pytest.fail("the example has no data: run example_warehouse/prepare.py")
    found = Project.load(EXAMPLE).check()
    assert found.problems == ()
    assert len(found.blocks) - len(found.unknown) >= 29


ON_POSTGRES = {
    "seeds/raw/rates.csv": "country,rate\nde,1.5\nfr,2\n",
    "blocks/staging/cleaned.sql": "/*---\nmaterialize: ephemeral\n---*/\nselect id, customer, amount, at::date as day from shop.orders",
    "blocks/marts/days.sql": "/*---\nmaterialize: incremental\nstrategy: merge\nkey: day\n---*/\nselect day, sum(amount) as amount, count(*) as orders from staging.cleaned"
    "{% if incremental %} where day >= (select max(day) from {{ this }}){% endif %} group by day",
    "blocks/marts/history.sql": "/*---\nmaterialize: snapshot\nkey: id\nupdated_at: at\n---*/\nselect id, at, amount from shop.orders",
    "blocks/marts/rated.sql": "select c.customer, r.rate * c.amount as amount from staging.cleaned c join raw.rates r on r.country = c.customer",
    "blocks/marts/top.sql": "select * from marts.rated where amount > 10 union all select * from marts.rated",
    "blocks/marts/now.sql": "select id, amount from marts.history where is_current and valid_to is null",
}  # fmt: skip
FAULTS = {
    "blocks/marts/now.sql": "select id, amonut from marts.history where is_current",
    "blocks/marts/days.sql": ON_POSTGRES["blocks/marts/days.sql"].replace("max(day)", "max(dya)"),
    "blocks/marts/top.sql": "select customer from marts.rated where customer = 1\nunion all\nselect amount, 1 from marts.rated",
    "blocks/marts/alias.sql": "select c.customer, r.rate * x.amount as amount from staging.cleaned c join raw.rates r on r.country = c.customer",
    "blocks/marts/joined.sql": "select customer from staging.cleaned join staging.cleaned as again on true",
    "blocks/marts/after.sql": "select {{ 'id' }}, nobody from marts.now",
}  # fmt: skip

TOLD = {
    'blocks/marts/alias.sql:1:29: missing FROM-clause entry for table "x"': "",
    'blocks/marts/days.sql:6:121: column "dya" does not exist': "did you mean `day`?",
    'blocks/marts/joined.sql:1:8: column reference "customer" is ambiguous': "",
    'blocks/marts/now.sql:1:12: column "amonut" does not exist': "did you mean `amount`?",
    "blocks/marts/top.sql:1:40: operator does not exist: text = integer": "",
}


@pytest.fixture
def stopped(tmp_path: Path) -> Iterator[Path]:
    """Yield a project that was built on a Postgres of its own, which is stopped now."""
    folder = Path(tempfile.mkdtemp(prefix="sqlflow-own-"))
    folder.chmod(0o755)
    url = postgres_server.start(folder)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("create schema shop")
        connection.execute("create table shop.orders (id integer, customer text, amount numeric(9, 2), at timestamp)")
    settings = f"name: p\ntargets: {{dev: {{engine: postgres, url: '{url}'}}}}\n"
    assert Project.load(write(tmp_path, {**ON_POSTGRES, "sqlflow.yml": settings})).build(threads=1).ok
    postgres_server.stop_below(folder)
    yield tmp_path
    shutil.rmtree(folder, ignore_errors=True)


def test_a_project_of_postgres_is_checked_while_the_server_is_stopped(stopped: Path) -> None:
    with pytest.raises(TargetError, match="cannot connect"):
        Project.load(stopped).plan()
    right = Project.load(stopped).check()
    assert (right.problems, right.unknown) == ((), {})
    write(stopped, FAULTS)
    found = Project.load(stopped).check().problems
    assert {f"{problem.place}: {problem.message}": problem.hint for problem in found} == TOLD
    assert Project.load(stopped).plan(offline=True).faults == found


def test_a_function_that_is_used_again_has_the_columns_of_its_version(tmp_path: Path) -> None:
    files = {
        "blocks/raw.sql": "select 1 as id, 3 as amount",
        "blocks/renamed.py": "from sqlflow import block\n\n\n@block\ndef renamed(raw):\n    return raw.rename(columns={'amount': 'total'})\n",
        "blocks/summed.sql": "select sum(total) as total from renamed",
    }
    assert Project.load(write(tmp_path, {"sqlflow.yml": "name: p\n", **files})).build().ok
    write(tmp_path, {"blocks/summed.sql": "select sum(totl) as total from renamed"})
    (fault,) = Project.load(tmp_path).plan().faults
    assert (str(fault.place), fault.hint) == ("blocks/summed.sql:1:12", "did you mean `total`?")
    write(tmp_path, {"blocks/renamed.py": files["blocks/renamed.py"].replace("'total'", "'totl'")})
    assert Project.load(tmp_path).plan().faults == ()
    assert Project.load(tmp_path).build().ok
