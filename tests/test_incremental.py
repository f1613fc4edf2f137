"""The law for incremental blocks: any order of new rows, late rows, builds, failures and kills ends like one full build."""

import random
import signal
import tempfile
from pathlib import Path

import crash
import duckdb
from hypothesis import given, settings
from hypothesis import strategies as st
from support import times, write

from sqlflow import Project
from sqlflow.core import failpoints
from sqlflow.core.errors import SqlflowError

NEW = "{% if incremental %} where seq > (select coalesce(max(seq), 0) from {{ this }}) {% endif %}"
QUERIES = {
    "appended": ("strategy: append", f"select seq, id, day, v from landing.rows {NEW}"),
    "merged": (
        "strategy: merge\nkey: id",
        f"select seq, id, day, v from (select * from landing.rows {NEW})"
        " qualify row_number() over (partition by id order by seq desc) = 1",
    ),
    "replaced": (
        "strategy: delete_insert\nkey: [day]",
        "select seq, id, day, v from landing.rows {% if incremental %} where day in (select day from landing.rows"
        " where seq > (select coalesce(max(seq), 0) from {{ this }})) {% endif %}",
    ),
}
FILES = {
    "sqlflow.yml": "name: p\n",
    **{
        f"blocks/marts/{name}.sql": f"/*---\nmaterialize: incremental\n{settings}\n---*/\n{query}\n"
        for name, (settings, query) in QUERIES.items()
    },
    "blocks/marts/sums.sql": "select sum(a.v) as a, (select sum(v) from merged) as m, (select sum(v) from replaced) as r"
    " from appended a",
    "assertions/all_is_good.sql": "select * from marts.appended where v < 0",
}
Row = tuple[int, int, int]
STEPS = st.one_of(
    st.tuples(
        st.just("rows"), st.lists(st.tuples(st.integers(1, 4), st.integers(1, 3), st.integers(0, 9)), max_size=4)
    ),
    st.tuples(st.just("bad rows"), st.just([])),
    st.tuples(st.sampled_from(["build", "build", "build --env dev", "full refresh"]), st.just([])),
    st.tuples(
        st.just("fails at"), st.lists(st.tuples(st.integers(1, 60), st.just(0), st.just(0)), min_size=1, max_size=1)
    ),
)


def made(folder: Path) -> Path:
    write(folder, FILES)
    with duckdb.connect(str(folder / "warehouse.duckdb")) as base:
        base.execute("create schema landing; create sequence landing.number")
        base.execute("create table landing.rows (seq bigint default nextval('landing.number'), id int, day int, v int)")
        base.execute("insert into landing.rows (id, day, v) values (1, 1, 1)")
    return folder


def add(folder: Path, rows: list[Row]) -> None:
    with duckdb.connect(str(folder / "warehouse.duckdb")) as base:
        for row in rows:
            base.execute("insert into landing.rows (id, day, v) values (?, ?, ?)", row)


def faults(folder: Path, schema: str = "marts") -> list[str]:
    """Return the blocks whose published rows are not those that one full build would give."""
    with duckdb.connect(str(folder / "warehouse.duckdb")) as base:
        wanted = {name: _rows(base, _whole(query)) for name, (_, query) in QUERIES.items()}
        shown = {name: _rows(base, f"from {schema}.{name}") for name in QUERIES}
        wanted["sums"] = [tuple(sum(row[3] for row in wanted[name]) for name in QUERIES)]
        shown["sums"] = _rows(base, f"from {schema}.sums")
    return [f"{name}: {shown[name]}, not {wanted[name]}" for name in wanted if shown[name] != wanted[name]]


def _whole(query: str) -> str:
    start, end = query.find("{% if"), query.find("{% endif %}")
    return query[:start] + query[end + len("{% endif %}") :]


def _rows(base: duckdb.DuckDBPyConnection, query: str) -> list[tuple[int, ...]]:
    return sorted(base.execute(query).fetchall())


def do(step: str, rows: list[Row], folder: Path) -> None:
    match step:
        case "rows":
            add(folder, rows)
        case "bad rows":
            add(folder, [(1, 1, -1)])
            assert not Project.load(folder).build().ok
            with duckdb.connect(str(folder / "warehouse.duckdb")) as base:
                base.execute("delete from landing.rows where v < 0")
        case "fails at":
            with failpoints.armed(f"any:{rows[0][0]}:raise"):
                try:
                    Project.load(folder).build()
                except SqlflowError:
                    return
        case "build --env dev":
            assert Project.load(folder, environment="dev").build().ok
        case _:
            assert Project.load(folder).build(full_refresh=step == "full refresh").ok


@settings(max_examples=times(8, 1000), deadline=None)
@given(st.lists(STEPS, max_size=8))
def test_any_order_of_rows_builds_and_failures_ends_like_one_full_build(steps: list[tuple[str, list[Row]]]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = made(Path(name))
        for step, rows in steps:
            do(step, rows, folder)
        do("build", [], folder)
        do("build --env dev", [], folder)
        assert not faults(folder) + faults(folder, "dev__marts")


def test_a_build_that_is_killed_anywhere_adds_nothing_twice_and_loses_nothing(tmp_path: Path) -> None:
    folder = made(tmp_path / "p")
    do("build", [], folder)
    chance = random.Random(1)
    for number in range(times(6, 300)):
        add(folder, [(number, number % 3, number), (chance.randrange(5), 0, 7)])
        process = crash.in_process(folder, f"any:{chance.randrange(1, 90)}:kill")
        process.join()
        assert process.exitcode in (0, -signal.SIGKILL)
        if number % 2:
            do("build", [], folder)
            assert not faults(folder)
            assert not crash.left_over(folder)
