"""A build is minimal, and equal to a clean build: what is built again, what is used again, and why."""

import os
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from support import write
from test_cases import called
from test_publish import second_connection

from sqlflow import Project
from sqlflow.core import events
from sqlflow.core.errors import BuildError, UsageError
from sqlflow.plan import versions
from sqlflow.plan.plan import plan
from sqlflow.read.versions import FileVersions
from sqlflow.run.planned import looked_at
from sqlflow.run.report import Report
from sqlflow.run.target import opened

FILES = {
    "sqlflow.yml": "name: p\nvars: {low: 1}\nsources: {raw: {orders: {files: orders.csv}}}\n",
    "orders.csv": "id,amount\n1,10\n2,20\n",
    "macros/m.sql": "{% macro twice(x) %}({{ x }} * 2){% endmacro %}",
    "blocks/staging/a.sql": "/*---\nassert: [{unique: id}]\n---*/\nselect id, amount from raw.orders",
    "blocks/staging/b.sql": "select {{ var('low') }} as low",
    "blocks/marts/c.sql": "/*---\nassert: ['total > 0']\n---*/\nselect {{ twice('sum(amount)') }} as total from a",
    "blocks/marts/d.sql": "/*---\nmaterialize: view\n---*/\nselect total, low from c, b",
}
A = FILES["blocks/staging/a.sql"]
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
    "the case of words and functions": (
        {
            "blocks/marts/c.sql": "/*---\nassert: ['total > 0']\n---*/\nSELECT {{ twice('Sum(amount)') }} As total FROM a"
        },
        [],
    ),
    "the case of a column's name": (
        {"blocks/staging/b.sql": "select {{ var('low') }} as Low"},
        ["marts.d", "staging.b"],
    ),
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
        ["staging.a"],
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
    "a column more, which nobody reads": (
        {"blocks/staging/a.sql": A.replace("amount from", "amount, 1 as one from")},
        ["staging.a"],
    ),
    "another column, which one reads": (
        {"blocks/staging/a.sql": A.replace("amount", "amount + 1 as amount")},
        ["marts.c", "marts.d", "staging.a"],
    ),
    "a condition": ({"blocks/staging/a.sql": A + " where id > 1"}, ["marts.c", "marts.d", "staging.a"]),
    "a condition that is always true": ({"blocks/staging/a.sql": A + " where id > 0"}, ["staging.a"]),
    "a column of a file that nobody reads": ({"orders.csv": "id,amount,note\n1,10,x\n2,20,y\n"}, ["staging.a"]),
    "rows of a file in another order": ({"orders.csv": "id,amount\n2,20\n1,10\n"}, ["staging.a"]),
    "a macro that gives the same": ({"macros/m.sql": FILES["macros/m.sql"] + "\n"}, ["marts.c", "marts.d"]),
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


READS_FILES = {
    "sqlflow.yml": "name: p\n",
    "limits.csv": "most\n10\n",
    "lib/limits.py": "LEAST = 0\n",
    "blocks/a.py": (
        "from lib.limits import LEAST\nfrom sqlflow import assertion, block\n\n\n"
        "@block\ndef a(given):\n    return given\n\n\n"
        "@assertion\ndef not_low(output):\n    return output[output['id'] < LEAST]\n"
    ),
    "blocks/given.sql": "select 1 as id union all select 2",
    "assertions/most.sql": "select * from a, 'limits.csv' where id > most",
}


@pytest.mark.parametrize(
    ("changed", "again"),
    [({}, []), ({"limits.csv": "most\n11\n"}, ["most"]), ({"lib/limits.py": "LEAST = 1\n"}, ["most", "not_low"])],
)
def test_an_assertion_runs_again_where_a_file_that_it_reads_has_changed(
    changed: dict[str, str], again: list[str], tmp_path: Path
) -> None:
    assert sorted(check.assertion for check in build(tmp_path, READS_FILES)[0].assertions) == ["most", "not_low"]
    assert sorted(check.assertion for check in build(tmp_path, changed)[0].assertions) == again


BESIDE_LIB = {
    "sqlflow.yml": "name: p\n",
    "rates.py": "RATE = 2\n",
    "blocks/given.sql": "select 1 as id",
    "blocks/a.py": "import rates\nfrom sqlflow import block\n\n\n@block\ndef a(given):\n    return given.assign(id=rates.RATE)\n",
}


def test_a_module_of_the_project_beside_lib_is_not_known_to_be_the_same(tmp_path: Path) -> None:
    assert build(tmp_path, BESIDE_LIB)[0].ok
    (step,) = (one for one in Project.load(tmp_path).plan().steps if str(one.block) == "main.a")
    assert (step.action, step.reason) == ("build", "`rates` is a module of the project, and does not lie in `lib/`")
    build(tmp_path, {"rates.py": "RATE = 3\n"})
    with second_connection(Project.load(tmp_path)) as reader:
        assert reader.rows("select id from a").rows == ((3,),)


def test_a_module_that_is_changed_in_the_same_second_runs_as_it_is(tmp_path: Path) -> None:
    rates = "from lib import rates\n" + BESIDE_LIB["blocks/a.py"].split("\n", 1)[1]
    write(tmp_path, BESIDE_LIB | {"blocks/a.py": rates, "lib/rates.py": "RATE = 4\n"})
    for rate in (4, 5):
        (tmp_path / "lib/rates.py").write_text(f"RATE = {rate}\n")
        os.utime(tmp_path / "lib/rates.py", (1_700_000_000, 1_700_000_000))
        assert build(tmp_path)[0].ok
        with second_connection(Project.load(tmp_path)) as reader:
            assert reader.rows("select id from a").rows == ((rate,),)


def test_an_assertion_that_has_failed_is_not_taken_for_passed(tmp_path: Path) -> None:
    wrong = {"blocks/marts/c.sql": FILES["blocks/marts/c.sql"].replace("> 0", "> 1000")}
    assert build(tmp_path, FILES | wrong)[0].status == "failed"
    report, built = build(tmp_path)
    assert (report.status, built) == ("failed", [])


def test_what_a_failed_run_has_built_and_checked_is_used_by_the_next(tmp_path: Path) -> None:
    report, _ = build(tmp_path, FILES | {"blocks/marts/c.sql": "select cast('x' as integer) as total from a"})
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
        ("select age(date '2026-01-01') as at", "`age()` gives another value each time"),
        ("select current_localtimestamp() as at", "`current_localtimestamp()` gives another value each time"),
        ("select pg_get_viewdef(1) as at", "`pg_get_viewdef()` gives another value each time"),
        ("select current_setting('threads') as at", "`current_setting()` gives another value each time"),
        ("select * from range(9) tablesample 50%", "a sample is another one each time"),
        ("select * from range(9) using sample 50%", "a sample is another one each time"),
        ("select current_schema as at", "`current_schema` may be something else each time"),
        ("select my_own(1) as at", "`my_own()` is not known to give the same each time"),
        ("select * from raw.range(1)", "`raw.range()` is not known to give the same each time"),
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
        session.execute("create macro raw.range(x) as table select x as id")
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


def test_an_assertion_that_passed_on_a_file_that_was_changing_runs_again(tmp_path: Path) -> None:
    files = {
        "sqlflow.yml": FILES["sqlflow.yml"],
        "orders.csv": "id,amount\n1,10\n1,10\n",
        "blocks/a.sql": "/*---\nassert: [{unique: id}]\n---*/\nselect id, amount from raw.orders",
    }
    write(tmp_path, files)

    def change(event: events.Event) -> None:
        if isinstance(event, events.BlockStarted):
            write(tmp_path, {"orders.csv": "id,amount\n1,10\n2,10\n"})

    assert Project.load(tmp_path).build(listener=change).ok
    assert not build(tmp_path, {"orders.csv": files["orders.csv"]})[0].ok


def test_a_moved_folder_of_partitions_is_another_version(tmp_path: Path) -> None:
    sql = "select * from read_csv('data/*/f.csv', hive_partitioning = true)"
    write(tmp_path, {"sqlflow.yml": "name: p\n", "blocks/a.sql": sql, "data/year=2020/f.csv": "v\n1\n"})
    assert build(tmp_path)[1] == ["main.a"]
    (tmp_path / "data/year=2020").rename(tmp_path / "data/year=2021")
    assert build(tmp_path)[1] == ["main.a"]


# What a reader reads decides, not what its input is.

CHAIN = {
    "sqlflow.yml": "name: p\nsources: {raw: {orders: {files: orders.csv}}}\n",
    "orders.csv": "id,amount,status\n1,10,a\n2,20,b\n",
    "blocks/a.sql": "select id, amount, status from raw.orders",
    "blocks/b.sql": "/*---\nmaterialize: view\n---*/\nselect * from a",
    "blocks/e.sql": "/*---\nmaterialize: ephemeral\n---*/\nselect id, amount * 2 as twice, status from b",
    "blocks/c.sql": "select id, twice from e",
    "blocks/d.sql": "select count(*) as n from c",
}
CHAIN_EDITS = {
    "a column that goes through a view and an ephemeral block": (
        {"blocks/a.sql": "select id, amount, upper(status) as status from raw.orders"}, ["main.a", "main.b"]),
    "an ephemeral block's column that nobody reads": (
        {"blocks/e.sql": CHAIN["blocks/e.sql"].replace("status", "1 as one")}, []),
    "an ephemeral block's column that one reads": ({"blocks/e.sql": CHAIN["blocks/e.sql"].replace("* 2", "* 3")}, ["main.c"]),
    "a view's column that nobody reads": (
        {"blocks/b.sql": CHAIN["blocks/b.sql"].replace("select *", "select *, 1 as one")}, ["main.b"]),
    "a value that only the next block reads": ({"orders.csv": "id,amount,status\n1,11,a\n2,20,b\n"}, ["main.a", "main.b", "main.c"]),
    "a value that nobody reads": ({"orders.csv": "id,amount,status\n1,10,z\n2,20,b\n"}, ["main.a", "main.b"]),
    "two values paired anew": ({"orders.csv": "id,amount,status\n1,20,a\n2,10,b\n"}, ["main.a", "main.b", "main.c"]),
    "a column of the same name in an input that had none": (
        {"blocks/a.sql": "select id, amount, status, 1 as twice from raw.orders"}, ["main.a", "main.b"]),
    "the order of a table": ({"blocks/a.sql": "/*---\norder_by: [id]\n---*/\n" + CHAIN["blocks/a.sql"]}, ["main.a", "main.b"]),
}  # fmt: skip


@pytest.mark.parametrize("edit", CHAIN_EDITS)
def test_an_edit_builds_only_readers_of_what_it_changes(tmp_path: Path, edit: str) -> None:
    files, expected = CHAIN_EDITS[edit]
    assert build(tmp_path, CHAIN)[0].ok
    report, built = build(tmp_path, files)
    assert (report.ok, built) == (True, expected)
    assert build(tmp_path)[1] == []
    assert build(tmp_path, CHAIN)[1] == []


def test_a_reader_that_heeds_the_order_is_built_when_rows_have_changed_places(tmp_path: Path) -> None:
    files = {
        "sqlflow.yml": "name: p\n",
        "seeds/s.csv": "k,v\n1,10\n2,20\n",
        "blocks/t.sql": "select k, v from s",
        "blocks/f.sql": "select first(v) as v from t",
    }
    assert build(tmp_path, files)[0].ok
    assert build(tmp_path, {"seeds/s.csv": "k,v\n2,20\n1,10\n"})[1] == ["main.f", "main.s", "main.t"]
    assert build(tmp_path, {"blocks/f.sql": "select max(v) as v from t"})[1] == ["main.f"]
    assert build(tmp_path, {"seeds/s.csv": "v,k\n10,1\n20,2\n"})[1] == ["main.s"]


def test_a_block_that_is_built_each_time_stops_there_if_it_holds_the_same(tmp_path: Path) -> None:
    write(tmp_path, {"blocks/a.sql": "select id, name from raw.events", "blocks/b.sql": "select max(id) as top from a"})
    project = Project.load(write(tmp_path, {"sqlflow.yml": "name: p\n", "blocks/c.sql": "select * from b"}))
    with second_connection(project) as session:
        session.execute("create schema raw")
        session.execute("create table raw.events as select 1 as id, 'x' as name")
    assert build(tmp_path)[1] == ["main.a", "main.b", "main.c"]
    for statement, expected in (
        ("select 1", ["main.a"]),
        ("update raw.events set name = 'y'", ["main.a"]),
        ("insert into raw.events values (0, 'z')", ["main.a", "main.b"]),
        ("insert into raw.events values (2, 'z')", ["main.a", "main.b", "main.c"]),
        ("select 1", ["main.a"]),
    ):
        with second_connection(Project.load(tmp_path)) as session:
            session.execute(statement)
        assert build(tmp_path)[1] == expected, statement


def test_content_hash_false_builds_the_readers(tmp_path: Path) -> None:
    files = {
        "sqlflow.yml": "name: p\n",
        "seeds/s.csv": "k\n1\n",
        "seeds/s.yml": "content_hash: false\n",
        "blocks/t.sql": "select k from s",
    }
    assert build(tmp_path, files)[0].ok
    assert build(tmp_path, {"seeds/s.csv": "k\n1\n\n"})[1] == ["main.s", "main.t"]


@pytest.mark.parametrize(
    ("one", "other"),
    [("0.0::double", "'-0.0'::double"), ("interval 1 month", "interval 30 day"), ("1::integer", "1::bigint"), ("'a'", "'A'"),
     ("[0.0::double]", "['-0.0'::double]"), ("1.0::decimal(9, 1)", "1.00::decimal(9, 2)"), ("null::integer", "0"),
     ("{'a': 1}", "{'b': 1}"), ("['a, b']", "['a', 'b']"), ("'12:00:00+01'::timetz", "'11:00:00+00'::timetz")],
)  # fmt: skip
def test_values_that_only_look_the_same_are_other_contents(tmp_path: Path, one: str, other: str) -> None:
    files = {"sqlflow.yml": "name: p\n", "blocks/a.sql": f"select {one} as v", "blocks/b.sql": "select v from a"}
    assert build(tmp_path, files)[0].ok
    assert build(tmp_path, {"blocks/a.sql": f"select {other} as v"})[1] == ["main.a", "main.b"]


def test_the_plan_says_that_nothing_is_read_of_what_changed(tmp_path: Path) -> None:
    assert build(tmp_path, FILES)[0].ok
    write(tmp_path, {"blocks/staging/a.sql": A.replace("amount from", "amount, 1 as one from")})
    steps = {str(step.block): (step.action, step.reason) for step in Project.load(tmp_path).plan().steps}
    assert steps["staging.a"] == ("build", "its code or settings changed")
    assert steps["marts.c"] == ("reuse", "reads nothing of what changed in `staging.a`")


def test_the_recipes_of_versions_go_with_them(tmp_path: Path) -> None:
    write(tmp_path, FILES | {"sqlflow.yml": FILES["sqlflow.yml"] + "keep: 0.000001\n"})
    for number in range(5):
        assert build(tmp_path, {"blocks/staging/a.sql": A.replace("amount from", f"amount, {number} as n from")})[0].ok
    with second_connection(Project.load(tmp_path)) as session:
        kept = session.rows("select distinct relation from _sqlflow.sqlflow_recipes").rows
        there = session.rows("select relation from _sqlflow.sqlflow_versions").rows
        rows = session.rows("select count(*) from _sqlflow.sqlflow_recipes").rows
    assert (sorted(kept), rows[0][0] <= 2 * len(there)) == (sorted(there), True)


def test_a_state_of_an_older_sqlflow_is_brought_up_to_date(tmp_path: Path) -> None:
    assert build(tmp_path, CHAIN)[0].ok
    with second_connection(Project.load(tmp_path)) as session:
        for table in ("recipes", "contents"):
            session.execute(f"drop table _sqlflow.sqlflow_{table}")
        session.execute("update _sqlflow.sqlflow_state set form = 1")
    assert all(step.action in ("reuse", "inline") for step in Project.load(tmp_path).plan().steps)
    assert build(tmp_path)[1] == []
    assert build(tmp_path, {"blocks/d.sql": "select count(*) as m from c"})[1] == ["main.d"]


def test_nothing_is_used_again_of_a_sqlflow_that_would_build_other_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert build(tmp_path, CHAIN)[0].ok
    every = build(tmp_path, full_refresh=True)[1]
    monkeypatch.setattr(versions, "FORM", versions.FORM + 1)
    assert "how sqlflow builds" in [one.what for one in Project.load(tmp_path).why("a").changed]
    assert build(tmp_path)[1] == every
    assert build(tmp_path)[1] == []


def sourced(folder: Path, files: Mapping[str, str], *statements: str) -> None:
    """Write the files, and run statements in the target."""
    with second_connection(Project.load(write(folder, files))) as session:
        for statement in statements:
            session.execute(statement)


def test_a_source_has_the_version_that_its_query_gives(tmp_path: Path) -> None:
    config = "name: p\nsources: {raw: {events: {version: 'select max(loaded), count(*) from raw.events'}}}\n"
    files = {
        "sqlflow.yml": config,
        "blocks/a.sql": "select id from raw.events",
        "blocks/b.sql": "select sum(id) as s from a",
    }
    sourced(tmp_path, files, "create schema raw", "create table raw.events as select 1 as id, 1 as loaded")
    assert build(tmp_path)[1] == ["main.a", "main.b"]
    assert build(tmp_path)[1] == []
    sourced(tmp_path, {}, "update raw.events set id = 5")
    assert build(tmp_path)[1] == []
    sourced(tmp_path, {}, "update raw.events set loaded = 2")
    assert [step.reason for step in Project.load(tmp_path).plan().steps] == [
        "`raw.events` has changed",
        "`main.a` has changed",
    ]
    assert build(tmp_path)[1] == ["main.a", "main.b"]


DEFINED = {
    "a macro with the name of a function": ("create macro abs(x) as x", "create or replace macro abs(x) as x + 1"),
    "a default of one": ("create macro abs(x, y := 1) as x", "create or replace macro abs(x, y := 2) as x"),
    "what it calls": (
        "create macro mine(x) as x; create macro abs(x) as mine(x)",
        "create or replace macro mine(x) as 2",
    ),
    "a table macro": ("create macro range(x) as table select 1", "create or replace macro range(x) as table select 2"),
    "a type": ("create type money as decimal(9, 2)", "drop type money; create type money as decimal(9, 3)"),
    "an enum": ("create type mood as enum ('a')", "drop type mood; create type mood as enum ('a', 'b')"),
}


@pytest.mark.parametrize("change", DEFINED)
def test_what_a_target_defines_in_place_of_what_is_built_in_is_part_of_each_key(tmp_path: Path, change: str) -> None:
    check = "/*---\nassert: [{sql: 'select 1 where abs(-1) > 9'}]\n---*/\n"
    files = {
        "sqlflow.yml": "name: p\n",
        "blocks/a.sql": f"{check}select abs(-1) as size",
        "blocks/b.sql": "select size from a",
    }
    before, after = DEFINED[change]
    reason = "a function, type or operator of the target's own has changed"
    assert build(tmp_path, files)[1] == ["main.a", "main.b"]
    for statements in (before, after):
        sourced(tmp_path, {}, *statements.split("; "))
        project = Project.load(tmp_path)
        assert project.plan().steps[0].reason == reason
        assert [difference.what for difference in project.why("a").changed] == [reason.removesuffix(" has changed")]
        report, built = build(tmp_path)
        assert (built[0], len(report.assertions)) == ("main.a", 1)
        assert build(tmp_path)[1] == []


def test_a_macro_with_a_name_of_its_own_changes_no_key_of_what_does_not_call_it(tmp_path: Path) -> None:
    files = {
        "sqlflow.yml": "name: p\n",
        "blocks/a.sql": "select abs(-1) as size",
        "blocks/b.sql": "select mine(1) as n",
    }
    sourced(tmp_path, files, "create macro mine(x) as x")
    assert build(tmp_path)[1] == ["main.a", "main.b"]
    sourced(tmp_path, {}, "create or replace macro mine(x) as x + 1")
    assert build(tmp_path)[1] == ["main.b"]


@pytest.mark.parametrize(
    ("query", "told"),
    [("select nope from raw.events", "the `version` query of the source `raw.events`: "), ("selec 1", "the `version` query"),
     ("select * from range(2000)", "gives more than 1000 rows")],
)  # fmt: skip
def test_a_version_query_that_cannot_be_asked_is_an_error(tmp_path: Path, query: str, told: str) -> None:
    config = f"name: p\nsources: {{raw: {{events: {{version: '{query}'}}}}}}\n"
    files = {"sqlflow.yml": config, "blocks/a.sql": "select id from raw.events"}
    sourced(tmp_path, files, "create schema raw", "create table raw.events as select 1 as id")
    with pytest.raises(BuildError, match=told):
        Project.load(tmp_path).build()


def test_a_source_that_changes_while_it_is_read_leaves_no_version_that_could_be_used_again(tmp_path: Path) -> None:
    config = "name: p\nsources: {raw: {events: {version: 'select max(id) from raw.events'}}}\n"
    statement = "insert into raw.events select max(id) + 1 from raw.events"
    block = f"/*---\npre_statements: ['{statement}']\n---*/\nselect 1 as one"
    files = {"sqlflow.yml": config, "blocks/a.sql": "select id from raw.events, b", "blocks/b.sql": block}
    sourced(tmp_path, files, "create schema raw", "create table raw.events as select 1 as id")
    assert build(tmp_path)[1] == ["main.a", "main.b"]
    assert build(tmp_path)[1] == ["main.a", "main.b"]


def test_what_is_built_again_before_it_is_due_is_of_another_moment_in_all_its_columns(tmp_path: Path) -> None:
    front = "/*---\nrefresh: never\n---*/\n"
    files = {
        "sqlflow.yml": "name: p\n",
        "blocks/staging/a.sql": f"{front}select uuid() as id, 1 as n",
        "blocks/staging/b.sql": f"{front}select id, 1 as n from raw.events",
        "blocks/marts/c.sql": "select id from staging.a",
        "blocks/marts/d.sql": "select count(*) as number from staging.b",
        "blocks/marts/e.sql": "select number from d",
    }
    project = Project.load(write(tmp_path, files))
    with second_connection(project) as session:
        session.execute("create schema raw")
        session.execute("create table raw.events as select 1 as id")
    assert build(tmp_path)[0].ok
    with second_connection(project) as session:
        session.execute("insert into raw.events values (2)")
    assert build(tmp_path)[1] == []
    edited = {
        path: files[path].replace("1 as n", "2 as n") for path in ("blocks/staging/a.sql", "blocks/staging/b.sql")
    }
    assert build(tmp_path, edited)[1] == ["marts.c", "marts.d", "marts.e", "staging.a", "staging.b"]
    assert build(tmp_path, {"blocks/staging/b.sql": files["blocks/staging/b.sql"].replace("1 as n", "3 as n")})[1] == [
        "staging.b"
    ]


@pytest.mark.parametrize("refresh", ["hourly", "daily", "never"])
def test_refresh_says_when_to_build_again_what_gives_another_result_each_time(tmp_path: Path, refresh: str) -> None:
    front = f"/*---\nrefresh: {refresh}\n---*/\n"
    files = {"sqlflow.yml": "name: p\n", "blocks/a.sql": f"{front}select now() as at, id from raw.events"}
    sourced(tmp_path, files, "create schema raw", "create table raw.events as select 1 as id")
    started = int(time.time())
    assert build(tmp_path)[1] == ["main.a"]
    assert build(tmp_path)[1] == [] or started // 3600 != int(time.time()) // 3600
    graph, files_then = Project.load(tmp_path).graph, FileVersions(tmp_path, {}, time.time() + 86400)
    with opened(graph.project, readonly=True) as (connection, session):
        current = looked_at(graph, connection, session, adopt=False)
    then = plan(graph, frozenset(graph.inputs), current, files_then)
    expected = ("reuse", "unchanged") if refresh == "never" else ("build", "`raw.events` has changed")
    assert [(step.action, step.reason) for step in then.steps] == [expected]
    assert build(tmp_path, {"blocks/a.sql": f"{front}select now() as at, id + 1 as id from raw.events"})[1] == [
        "main.a"
    ]


def test_readers_follow_what_a_full_refresh_has_built_again_at_another_moment(tmp_path: Path) -> None:
    files = {
        "sqlflow.yml": "name: p\n",
        "blocks/a.sql": "/*---\nrefresh: never\n---*/\nselect uuid()::text as id, 1 as one",
        "blocks/e.sql": "/*---\nmaterialize: ephemeral\n---*/\nselect id, one from a",
        "blocks/v.sql": "/*---\nmaterialize: view\n---*/\nselect id from e",
        "blocks/b.sql": "select id from v",
        "blocks/c.sql": "select id from b",
        "blocks/d.sql": "select one from e",
    }
    assert build(tmp_path, files)[1] == ["main.a", "main.b", "main.c", "main.d", "main.v"]
    assert build(tmp_path)[1] == []
    assert build(tmp_path, select=["a"], full_refresh=True)[1] == ["main.a", "main.v"]
    steps = {str(step.block): step.reason for step in Project.load(tmp_path).plan().steps}
    assert steps["main.b"] == "what it reads has been built again at another moment"
    assert build(tmp_path)[1] == ["main.b", "main.c"]
    with second_connection(Project.load(tmp_path)) as session:
        assert session.rows("select count(*) from a join b using (id) join c using (id) join v using (id)").rows == (
            (1,),
        )
    assert build(tmp_path)[1] == []
    assert {step.action for step in Project.load(tmp_path).plan().steps} == {"reuse", "inline"}


def test_a_function_with_refresh_goes_by_the_time_whatever_its_text_says(tmp_path: Path) -> None:
    body = "@block(refresh='daily')\ndef f(a):\n    return a\n"
    files = {"blocks/a.sql": "select 1 as id", "blocks/f.py": f"from sqlflow import block\n\n{body}"}
    assert build(tmp_path, {"sqlflow.yml": "name: p\n"} | files)[1] == ["main.a", "main.f"]
    graph = Project.load(tmp_path).graph
    with opened(graph.project, readonly=True) as (connection, session):
        current = looked_at(graph, connection, session, adopt=False)
    then = plan(graph, frozenset(graph.inputs), current, FileVersions(tmp_path, {}, time.time() + 86400))
    assert [(step.action, step.reason) for step in then.steps] == [
        ("reuse", "unchanged"), ("build", "`refresh: daily` says so")
    ]  # fmt: skip


def plan_file(folder: Path, *arguments: str) -> Path:
    """Write the plan, as `sqlflow plan --output json` prints it, to a file beside the project."""
    file = folder.parent / "plan.json"
    _, text = called(" ".join(["plan", "--output json", f"--project-dir {folder}", *arguments]))
    file.write_text(text)
    return file


def test_a_plan_from_a_file_is_executed_as_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "project"
    assert build(folder, FILES)[0].ok
    write(folder, {"blocks/staging/b.sql": "select 7 as low", "blocks/staging/a.sql": A + " where id > 1"})
    file = plan_file(folder, "staging.b")
    assert build(folder, plan_file=file)[1] == ["marts.d", "staging.b"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"blocks/staging/b.sql": "select 8 as low"}, "the project has changed since it was made"),
        ({"orders.csv": "id,amount\n1,11\n"}, "`orders.csv` has changed since it was made"),
        ({"blocks/marts/e.sql": "select 1 as one"}, "the project has changed since it was made"),
        ({"blocks/marts/c.sql": FILES["blocks/marts/c.sql"].replace("> 0", "> 1")}, "the project has changed since it was made"),
        (None, "something else has been published since it was made"),
    ],
)  # fmt: skip
def test_a_plan_from_a_file_that_is_not_true_any_more_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: dict[str, str] | None, told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "project"
    assert build(folder, FILES)[0].ok
    file = plan_file(write(folder, {"blocks/staging/b.sql": "select 7 as low"}))
    write(folder, change) if change else build(folder)
    with pytest.raises(UsageError, match=told):
        build(folder, plan_file=file)


def test_a_plan_of_some_blocks_is_refused_where_there_is_one_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "project"
    assert build(folder, FILES)[0].ok
    file = plan_file(write(folder, {"blocks/staging/b.sql": "select 7 as low"}), "staging.b")
    write(folder, {"blocks/marts/e.sql": "select 1 as one"})
    with pytest.raises(UsageError, match="the project has changed since it was made"):
        build(folder, plan_file=file)


def test_a_plan_from_a_file_that_was_made_offline_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = write(tmp_path / "project", FILES)
    with pytest.raises(UsageError, match="was made with `--offline`"):
        build(folder, plan_file=plan_file(folder, "--offline"))


def test_sql_that_holds_a_secret_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_KEY", "open-sesame")
    config = "name: p\nenv: [SHOP_KEY]\nvars: {key: \"{{ env('SHOP_KEY') }}\"}\n"
    files = {
        "sqlflow.yml": config,
        "blocks/a.sql": "select '{{ var('key') }}' as v",
        "blocks/b.sql": "select '{{ env('SHOP_KEY') }}' as v",
        "blocks/c.sql": "select v from a union all select v from b",
    }
    assert build(tmp_path, files)[0].ok
    with second_connection(Project.load(tmp_path)) as session:
        assert "sesame" not in str(session.rows("select * from _sqlflow.sqlflow_recipes").rows)
    assert build(tmp_path)[1] == []
    monkeypatch.setenv("SHOP_KEY", "shut-sesame")
    assert build(tmp_path)[1] == ["main.a", "main.b", "main.c"]
