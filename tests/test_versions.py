"""A build is minimal, and equal to a clean build: what is built again, what is used again, and why."""

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import write
from test_publish import second_connection

from sqlflow import Project
from sqlflow.core import events
from sqlflow.core.engine import Session
from sqlflow.run.report import Report

FILES = {
    "sqlflow.yml": "name: p\nvars: {low: 1}\nsources: {raw: {orders: {files: orders.csv}}}\n",
    "orders.csv": "id,amount\n1,10\n2,20\n",
    "macros/m.sql": "{% macro twice(x) %}({{ x }} * 2){% endmacro %}",
    "blocks/staging/a.sql": "/*---\nassert: [{unique: id}]\n---*/\nselect id, amount from raw.orders",
    "blocks/staging/b.sql": "select {{ var('low') }} as low",
    "blocks/marts/c.sql": "/*---\nassert: ['total > 0']\n---*/\nselect {{ twice('sum(amount)') }} as total from a",
    "blocks/marts/d.sql": "/*---\nmaterialize: view\n---*/\nselect total, low from c, b",
}
ALL = ["marts.c", "marts.d", "staging.a", "staging.b"]


def build(folder: Path, files: Mapping[str, str] | None = None, **options: object) -> tuple[Report, list[str]]:
    """Write the files, build, and return the report with the blocks that were built."""
    write(folder, files or {})
    built: list[str] = []

    def listen(event: events.Event) -> None:
        if isinstance(event, events.BlockBuilt):
            built.append(event.block)

    variables = options.pop("vars", {})
    report = Project.load(folder, vars=variables).build(listener=listen, **options)  # type: ignore[arg-type]
    return report, sorted(built)


def test_the_first_build_builds_all_and_the_second_nothing(tmp_path: Path) -> None:
    assert build(tmp_path, FILES)[1] == ALL
    report, built = build(tmp_path)
    assert (report.ok, built, report.assertions, report.published) == (True, [], (), ())


EDITS = {
    "a comment": ({"blocks/staging/a.sql": FILES["blocks/staging/a.sql"] + " -- a comment\n"}, []),
    "white space": ({"blocks/marts/c.sql": FILES["blocks/marts/c.sql"].replace("select ", "select\n    ")}, []),
    "a description": (
        {"blocks/staging/b.sql": "/*---\ndescription: New.\n---*/\n" + FILES["blocks/staging/b.sql"]},
        [],
    ),
    "tags": ({"blocks/staging/b.sql": "/*---\ntags: [x]\n---*/\n" + FILES["blocks/staging/b.sql"]}, []),
    "logic": ({"blocks/staging/b.sql": "select 7 as low"}, ["marts.d", "staging.b"]),
    "a macro": ({"macros/m.sql": "{% macro twice(x) %}({{ x }} + {{ x }}){% endmacro %}"}, ["marts.c", "marts.d"]),
    "a file that a source reads": ({"orders.csv": "id,amount\n1,10\n2,21\n"}, ["marts.c", "marts.d", "staging.a"]),
    "options of a source": (
        {"sqlflow.yml": FILES["sqlflow.yml"].replace("orders.csv}", "orders.csv, options: {nullstr: NA}}")},
        ["marts.c", "marts.d", "staging.a"],
    ),
    "a materialization": (
        {"blocks/staging/b.sql": "/*---\nmaterialize: view\n---*/\n" + FILES["blocks/staging/b.sql"]},
        ["marts.d", "staging.b"],
    ),
    "a var that is read": ({"sqlflow.yml": FILES["sqlflow.yml"].replace("low: 1", "low: 2")}, ["marts.d", "staging.b"]),
    "a var that is not read": ({"sqlflow.yml": FILES["sqlflow.yml"].replace("low: 1", "low: 1, other: 2")}, []),
    "a new block": ({"blocks/marts/e.sql": "select 1 as one"}, ["marts.e"]),
    "a block that takes the name of a source": (
        {"blocks/raw/orders.sql": "select 1 as id, 5 as amount", "sqlflow.yml": "name: p\nvars: {low: 1}\n"},
        ["marts.c", "marts.d", "raw.orders", "staging.a"],
    ),
    "an assertion": ({"blocks/marts/c.sql": FILES["blocks/marts/c.sql"].replace("total > 0", "total > 1")}, []),
}


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_builds_what_it_reaches_and_nothing_else(tmp_path: Path, edit: str) -> None:
    files, expected = EDITS[edit]
    assert build(tmp_path, FILES)[0].ok
    report, built = build(tmp_path, files)
    assert (report.ok, built) == (True, expected)
    assert build(tmp_path)[1] == []


def test_a_changed_assertion_runs_again_on_the_version_that_is_there(tmp_path: Path) -> None:
    assert build(tmp_path, FILES)[0].ok
    report, built = build(tmp_path, {"blocks/marts/c.sql": FILES["blocks/marts/c.sql"].replace("> 0", "> 1000")})
    assert (report.status, built, [check.assertion for check in report.assertions]) == ("failed", [], ["total > 1000"])


def test_an_assertion_that_has_failed_is_not_taken_for_passed(tmp_path: Path) -> None:
    wrong = {"blocks/marts/c.sql": FILES["blocks/marts/c.sql"].replace("> 0", "> 1000")}
    assert build(tmp_path, FILES | wrong)[0].status == "failed"
    report, built = build(tmp_path)
    assert (report.status, built) == ("failed", [])


def test_what_a_failed_run_has_built_and_checked_is_used_by_the_next(tmp_path: Path) -> None:
    report, _ = build(tmp_path, FILES | {"blocks/marts/c.sql": "select nope from a"})
    assert report.status == "failed"
    report, built = build(tmp_path, {"blocks/marts/c.sql": FILES["blocks/marts/c.sql"]})
    assert (report.ok, built, len(report.published)) == (True, ["marts.c", "marts.d"], 4)


def test_going_back_to_an_earlier_state_builds_nothing(tmp_path: Path) -> None:
    assert build(tmp_path, FILES)[0].ok
    assert build(tmp_path, {"blocks/staging/b.sql": "select 7 as low"})[1] == ["marts.d", "staging.b"]
    report, built = build(tmp_path, {"blocks/staging/b.sql": FILES["blocks/staging/b.sql"]})
    assert (report.ok, built, [str(name) for name in report.published]) == (True, [], ["staging.b", "marts.d"])


def test_versions_are_kept_no_longer_than_asked(tmp_path: Path) -> None:
    files = FILES | {"sqlflow.yml": FILES["sqlflow.yml"] + "keep: 0.000001\n"}
    assert build(tmp_path, files)[0].ok
    assert build(tmp_path, {"blocks/staging/b.sql": "select 7 as low"})[1] == ["marts.d", "staging.b"]
    assert build(tmp_path, {"blocks/staging/b.sql": FILES["blocks/staging/b.sql"]})[1] == ["marts.d", "staging.b"]


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("select now() as at", "`now()` gives another value each time"),
        ("select current_date as at", "`current_date` gives another value each time"),
        ("select random() as at", "`random()` gives another value each time"),
        ("select ago(interval 1 day) as at", "`ago()` gives another value each time"),
        ("select current_setting('threads') as at", "`current_setting()` gives another value each time"),
        ("select * from range(9) tablesample 50%", "a sample is another one each time"),
        ("select my_own(1) as at", "`my_own()` is not known to give the same each time"),
        ("select * from raw.events", "the version of `raw.events` is not known"),
        ("select * from duckdb_settings()", "`duckdb_settings()` is not known to give the same each time"),
        (
            "select * from read_csv(['orders.csv', 'or' || 'ders.csv'])",
            "`read_csv()` is not known to give the same each time",
        ),
        ("select {{ query('select 1 as one')[0].one }} as at", "what `query()` gives is known only at run time"),
    ],
)
def test_what_cannot_be_decided_is_built_and_the_reason_told(tmp_path: Path, sql: str, reason: str) -> None:
    project = Project.load(write(tmp_path, {"blocks/v.sql": sql, "orders.csv": "a\n1\n", "sqlflow.yml": "name: p\n"}))
    with second_connection(project) as session:
        session.execute("create schema raw")
        session.execute("create table raw.events as select 1 as id")
        session.execute("create macro my_own(x) as x + 1")
    assert project.build().ok
    steps = Project.load(tmp_path).plan().steps
    assert [(step.action, step.reason) for step in steps] == [("build", reason)]


def test_a_reader_alone_is_made_from_what_is_published(tmp_path: Path) -> None:
    assert build(tmp_path, FILES)[0].ok
    edited = {"blocks/staging/b.sql": "select 7 as low", "blocks/marts/c.sql": "select 1 as total from a"}
    assert build(tmp_path, edited, select=["marts.c"])[1] == ["marts.c", "marts.d"]
    assert build(tmp_path)[1] == ["marts.d", "staging.b"]


def test_full_refresh_builds_all(tmp_path: Path) -> None:
    assert build(tmp_path, FILES)[0].ok
    report, built = build(tmp_path, full_refresh=True)
    assert (built, len(report.assertions)) == (ALL, 2)


def test_a_version_that_somebody_has_dropped_is_built_again(tmp_path: Path) -> None:
    report, _ = build(tmp_path, FILES)
    relation = next(block.relation for block in report.blocks if str(block.block) == "staging.b")
    assert relation is not None
    with second_connection(Project.load(tmp_path)) as session:
        session.execute(f"drop table {relation.sql}")
    report, built = build(tmp_path)
    assert (report.ok, built) == (True, ["marts.d", "staging.b"])


def test_a_published_view_that_somebody_has_dropped_is_shown_again(tmp_path: Path) -> None:
    assert build(tmp_path, FILES)[0].ok
    with second_connection(Project.load(tmp_path)) as session:
        session.execute("drop view marts.c")
    report, built = build(tmp_path)
    assert (report.ok, built, [str(name) for name in report.published]) == (True, [], ["marts.c"])


def test_a_file_that_changes_while_it_is_read_leaves_no_version_that_could_be_used_again(tmp_path: Path) -> None:
    write(tmp_path, FILES)

    def change(event: events.Event) -> None:
        if isinstance(event, events.BlockStarted) and event.block == "staging.a":
            write(tmp_path, {"orders.csv": "id,amount\n1,999\n"})

    assert Project.load(tmp_path).build(listener=change).ok
    assert build(tmp_path, {"orders.csv": FILES["orders.csv"]})[1] == ["marts.c", "marts.d", "staging.a"]


def test_a_moved_folder_of_partitions_is_another_version(tmp_path: Path) -> None:
    sql = "select * from read_csv('data/*/f.csv', hive_partitioning = true)"
    write(tmp_path, {"sqlflow.yml": "name: p\n", "blocks/a.sql": sql, "data/year=2020/f.csv": "v\n1\n"})
    assert build(tmp_path)[1] == ["main.a"]
    (tmp_path / "data/year=2020").rename(tmp_path / "data/year=2021")
    assert build(tmp_path)[1] == ["main.a"]


# The law, on random projects and random edits.

QUERIES = (
    "select k, v from {0}",
    "select k, sum(v) as v from {0} group by k",
    "select a.k, a.v + b.v as v from {0} a join {1} b on a.k = b.k",
    "select * from {0} union all select * from {1}",
    "select k, row_number() over (order by k, v) as v from {0}",
    "select * from {0} where v > {number}",
    "with s as (select * from {0}) select k, v from s where k not in (select k from {1} where v > {number})",
    "select k, v * {{{{ var('n') }}}} as v from {0}",
    "select k, {{{{ plus('v') }}}} as v from {0}",
)
KINDS = ("table", "table", "view", "ephemeral")


@st.composite
def blocks(draw: st.DrawFn, number: int) -> str:
    """Return the text of the block of that number, over sources and earlier blocks."""
    names = ["seed.s", "raw.f", *(f"m.b{earlier}" for earlier in range(number))]
    inputs = [draw(st.sampled_from(names)) for _ in range(2)]
    sql = draw(st.sampled_from(QUERIES)).format(*inputs, number=draw(st.integers(0, 3)))
    return f"/*---\nmaterialize: {draw(st.sampled_from(KINDS))}\n---*/\n{sql}"


@st.composite
def histories(draw: st.DrawFn) -> list[dict[str, str]]:
    """Return the files of a project, and then edits to them."""
    count = draw(st.integers(2, 6))
    rows = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5)), min_size=1, max_size=4)

    def data() -> str:
        return "k,v\n" + "".join(f"{k},{v}\n" for k, v in draw(rows))

    def settings_file() -> str:
        return f"name: p\nvars: {{n: {draw(st.integers(1, 2))}}}\nsources: {{raw: {{f: {{files: f.csv}}}}}}\n"

    def macro() -> str:
        return "{% macro plus(x) %}" + f"{{{{ x }}}} + {draw(st.integers(1, 2))}" + "{% endmacro %}"

    history = [
        {"sqlflow.yml": settings_file(), "f.csv": data(), "seeds/seed/s.csv": data(), "macros/m.sql": macro()}
        | {f"blocks/m/b{number}.sql": draw(blocks(number)) for number in range(count)}
    ]
    for _ in range(draw(st.integers(1, 3))):
        number = draw(st.integers(0, count - 1))
        path = f"blocks/m/b{number}.sql"
        edit = draw(st.sampled_from(("logic", "comment", "seed", "source", "macro", "var", "revert")).map(str))
        history.append(
            {
                "logic": lambda path=path, number=number: {path: draw(blocks(number))},
                "comment": lambda path=path: {path: history[0][path] + "\n-- a comment"},
                "seed": lambda: {"seeds/seed/s.csv": data()},
                "source": lambda: {"f.csv": data()},
                "macro": lambda: {"macros/m.sql": macro()},
                "var": lambda: {"sqlflow.yml": settings_file()},
                "revert": lambda: dict(history[0]),
            }[edit]()
        )
    return history


def contents(session: Session, project: Project) -> dict[str, list[tuple[object, ...]]]:
    kept = [block.name for block in project.loaded.blocks.values() if block.config.materialize != "ephemeral"]
    return {str(name): sorted(session.rows(f"select * from {name.sql}").rows, key=repr) for name in kept}


@settings(max_examples=40)
@given(histories())
def test_a_build_after_edits_is_equal_to_a_clean_build(history: list[dict[str, str]]) -> None:
    folder = Path(tempfile.mkdtemp())
    try:
        for edit in history:
            assert Project.load(write(folder / "edited", edit)).build().ok
        shutil.copytree(folder / "edited", folder / "clean", ignore=shutil.ignore_patterns("*.duckdb*"))
        edited, clean = Project.load(folder / "edited"), Project.load(folder / "clean")
        assert clean.build().ok
        with second_connection(edited) as one, second_connection(clean) as other:
            assert contents(one, edited) == contents(other, clean)
        assert all(step.action in ("reuse", "inline") for step in edited.plan().steps)
    finally:
        shutil.rmtree(folder)
