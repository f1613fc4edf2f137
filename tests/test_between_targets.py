"""One project over DuckDB and Postgres: rows are carried over in both directions, and each target publishes by itself."""

import json
import signal
from decimal import Decimal
from pathlib import Path
from typing import Any

import crash
import duckdb
import psycopg
import pytest
from support import write

from sqlflow import Project
from sqlflow.core import failpoints
from sqlflow.core.errors import BusyError, ProjectError
from sqlflow.core.events import BlockBuilt, Event
from sqlflow.run.elsewhere import carried_columns
from sqlflow.run.target import opened

PROJECT = """
name: p
vars: {{edition: 1}}
target: lake
targets:
  lake: {{engine: duckdb, path: lake.duckdb}}
  serve: {{engine: postgres, url: '{url}'}}
"""
FILES = {
    "blocks/staging/a.sql": "select range as id, {{ var('edition') }} as edition from range(3)",
    "blocks/marts/b.sql": "/*---\ntarget: serve\n---*/\nselect edition, count(*) as rows from staging.a group by edition",
    "blocks/marts/c.sql": "select edition + rows as sum from marts.b",
}
DUCKDB_VALUES = {
    "boolean": "true", "tinyint": "-128", "integer": "-7", "bigint": "9223372036854775807", "utinyint": "255",
    "uinteger": "4294967295", "ubigint": "18446744073709551615", "hugeint": "12345678901234567890123", "float": "1.5", "double": "-0.1",
    "decimal(18,3)": "12345.678", "varchar": "'Ünïcode ''quoted'', \"so\"\n\\N'", "date": "'2026-02-28'",
    "timestamp": "'2026-02-28 12:34:56.123456'", "timestamptz": "'2026-02-28 12:34:56+02'", "time": "'23:59:59.000001'",
    "blob": "'\\x00\\xFF'::blob", "uuid": "'6f9619ff-8b86-d011-b42d-00cf4fc964ff'",
}  # fmt: skip
POSTGRES_VALUES = {
    "boolean": "false", "smallint": "-3", "integer": "7", "bigint": "-9223372036854775808", "real": "0.25",
    "double precision": "1e300", "numeric(20,4)": "1234567890.1234", "numeric": "1.5", "text": "E'a\\nb,\"c\"'",
    "varchar(5)": "'abc'", "date": "'1999-12-31'", "timestamp": "'2026-02-28 12:34:56.123456'",
    "timestamptz": "'2026-02-28 12:34:56+02'", "time": "'01:02:03'", "bytea": "'\\xdead'", "jsonb": "'{\"a\": [1]}'",
    "uuid": "'6f9619ff-8b86-d011-b42d-00cf4fc964ff'",
}  # fmt: skip


def project(folder: Path, url: str, **files: str) -> Path:
    return write(folder, {"sqlflow.yml": PROJECT.format(url=url), **(files or FILES)})


def build(folder: Path, edition: int = 1, **options: Any) -> Any:
    return Project.load(folder, vars={"edition": edition}).build(**options)


def built(folder: Path, edition: int = 1) -> list[str]:
    """Build, and return the blocks that were not used again."""
    heard: list[Event] = []
    assert build(folder, edition, listener=heard.append).ok
    return [event.block for event in heard if isinstance(event, BlockBuilt)]


def shown(folder: Path, name: str) -> list[tuple[Any, ...]]:
    return list(Project.load(folder).shown(name, 100).rows)


def seen(folder: Path, url: str) -> tuple[Any, ...]:
    """Return what readers of the two databases see: of `staging.a`, `marts.c` and `marts.b`."""
    with duckdb.connect(str(folder / "lake.duckdb"), config={"storage_compatibility_version": "v1.5.0"}) as lake:
        first = lake.execute("select (select max(edition) from staging.a), (select sum from marts.c)").fetchone()
    with psycopg.connect(url) as serve:
        second = serve.execute("select edition from marts.b").fetchone()
    assert first and second
    return (*first, *second)


def _values(values: dict[str, str]) -> str:
    columns = (f"cast({value} as {kind}) as c{number}" for number, (kind, value) in enumerate(values.items()))
    return f"select 1 as id, {', '.join(columns)} union all select 2, {', '.join(['null'] * len(values))}"


def _told(value: Any) -> str:
    """Return a value as text that does not depend on the driver, nor a number's on its zeros."""
    if isinstance(value, Decimal):
        return str(value.normalize())
    return str(json.loads(value)) if str(value).startswith("{") else str(value)


@pytest.mark.parametrize(
    ("origin", "values"), [("lake", DUCKDB_VALUES), ("serve", POSTGRES_VALUES)], ids=["from duckdb", "from postgres"]
)
def test_every_type_that_is_carried_over_comes_back_as_it_was(
    origin: str, values: dict[str, str], tmp_path: Path, postgres_url: str
) -> None:
    other = "serve" if origin == "lake" else "lake"
    folder = project(
        tmp_path, postgres_url,
        **{
            "blocks/t/there.sql": f"/*---\ntarget: {origin}\n---*/\n{_values(values)}",
            "blocks/t/here.sql": f"/*---\ntarget: {other}\n---*/\nselect * from t.there",
            "blocks/t/again.sql": f"/*---\ntarget: {origin}\n---*/\nselect * from t.here",
        },
    )  # fmt: skip
    report = build(folder)
    assert report.ok, list(report.failed())

    def told(name: str) -> list[list[str]]:
        rows = sorted(shown(folder, name), key=lambda row: row[0])
        return [[_told(value) for value in row] for row in rows]

    assert told("t.again") == told("t.there")
    assert len(told("t.here")) == 2

    there, here = (Project.load(folder, target=name).loaded for name in (origin, other))
    with opened(there, readonly=True) as (_, session):
        sent = session.columns("select * from t.there")
    with opened(here, readonly=True) as (_, session):
        real = session.columns("select * from t.here")
    assert carried_columns(sent, there.target.engine, here.target.engine) == real


def test_columns_of_blocks_of_another_target_are_checked_before_anything_runs(
    tmp_path: Path, postgres_url: str
) -> None:
    folder = project(tmp_path, postgres_url)
    wrong = {
        "blocks/marts/b.sql": FILES["blocks/marts/b.sql"].replace("select edition", "select edtion"),
        "blocks/marts/typed.sql": "/*---\ntarget: serve\n---*/\nselect 1 as one from staging.a where id = 'x'::text",
    }
    told = [
        "blocks/marts/b.sql:4:8: column \"edtion\" does not exist",
        "blocks/marts/typed.sql:4:38: operator does not exist: bigint = text",
    ]  # fmt: skip
    write(folder, wrong)
    assert [str(problem).splitlines()[0] for problem in Project.load(folder).check().problems] == told
    with pytest.raises(ProjectError, match="edtion"):
        build(folder)
    write(folder, {**FILES, "blocks/marts/typed.sql": "select rows || 'x' as text from marts.b where edition = 1"})
    assert build(folder).ok
    write(folder, {"blocks/marts/c.sql": "select edition + rws as sum from marts.b"})
    with pytest.raises(ProjectError, match="did you mean `rows`"):
        build(folder)


@pytest.mark.parametrize(
    ("origin", "expression", "kind"),
    [
        ("lake", "map {'a': 1}", r"MAP\(VARCHAR, INTEGER\)"),
        ("lake", "union_value(n := 1)", r"UNION\(n INTEGER\)"),
        ("lake", "'10:00:00+02'::timetz", "TIME WITH TIME ZONE"),
        ("lake", "'101'::bit", "BIT"),
        ("serve", "array[1, 2]", r"integer\[\]"),
        ("serve", "interval '1 day'", "interval"),
        ("serve", "int4range(1, 3)", "int4range"),
        ("serve", "'10:00+02'::timetz", "time with time zone"),
        ("serve", "'127.0.0.1'::inet", "inet"),
    ],
)
def test_a_type_that_does_not_carry_over_is_refused_by_the_name_of_its_column(
    origin: str, expression: str, kind: str, tmp_path: Path, postgres_url: str
) -> None:
    other = "serve" if origin == "lake" else "lake"
    folder = project(
        tmp_path, postgres_url,
        **{
            "blocks/t/there.sql": f"/*---\ntarget: {origin}\n---*/\nselect 1 as id, {expression} as odd",
            "blocks/t/here.sql": f"/*---\ntarget: {other}\n---*/\nselect id from t.there",
        },
    )  # fmt: skip
    (failed,) = build(folder).failed()
    (problem,) = failed.problems
    assert f"the column `odd` of `t.there` cannot be carried over: it is {kind}".replace("\\", "") in problem.message


@pytest.mark.parametrize(
    ("expression", "value", "kind"),
    [
        ("numeric '0.1234567890123456789'", "0.1234567890123456789", "decimal(38, 18)"),
        ("1 / 3::numeric", "0.33333333333333333333", "decimal(38, 18)"),
        ("1e20::numeric", "100000000000000000000", "decimal(38, 18)"),
        ("numeric '-354729586612345678901234567890'", "-354729586612345678901234567890", "decimal(38, 18)"),
        ("1e99::numeric", "1" + "0" * 79 + "…", "decimal(38, 18)"),
        ("numeric 'NaN'", "NaN", "decimal(38, 18)"),
        ("'NaN'::numeric(4, 1)", "NaN", "decimal(4, 1)"),
        ("1e40::numeric(50, 2)", "1" + "0" * 40 + ".00", "decimal(38, 2)"),
        ("1.5::numeric(99, 60) / 1e40", "0." + "0" * 39 + "15", "decimal(38, 18)"),
    ],
)
def test_a_number_that_does_not_fit_is_refused_by_its_column_and_is_rounded_nowhere(
    expression: str, value: str, kind: str, tmp_path: Path, postgres_url: str
) -> None:
    function = "import pyarrow as pa\nfrom sqlflow import block\n\n\n@block(target='serve')\ndef f(there: pa.Table) -> pa.Table:\n    return there\n"
    rows = f"select id, {expression} as odd from generate_series(1, 3) as r (id)"
    folder = project(
        tmp_path, postgres_url,
        **{
            "blocks/t/there.sql": f"/*---\ntarget: serve\n---*/\n{rows}",
            "blocks/t/here.sql": "select id from t.there",
            "blocks/t/f.py": function,
        },
    )  # fmt: skip
    report = build(folder)
    assert report.published_in == ()
    told = {str(failed.block): [problem.message for problem in failed.problems] for failed in report.failed()}
    odd = f"the column `odd` holds {value}, which does not fit {kind} exactly"
    assert told == {
        "t.here": [f"the rows of `t.there` cannot be carried over: {odd}"],
        "t.f": [f"the input `there` cannot be read: {odd}"],
    }


def test_numbers_without_a_precision_are_carried_over_as_far_as_a_decimal_goes(
    tmp_path: Path, postgres_url: str
) -> None:
    values = [
        "99999999999999999999.999999999999999999", "-99999999999999999999.999999999999999999", "0.000000000000000001",
        "0." + "0" * 60, "1.5" + "0" * 50, "-0.5",
    ]  # fmt: skip
    listed = ", ".join(f"({number}, numeric '{value}')" for number, value in enumerate(values))
    folder = project(
        tmp_path, postgres_url,
        **{
            "blocks/t/there.sql": f"/*---\ntarget: serve\n---*/\nselect * from (values {listed}) as made (id, x)",
            "blocks/t/wide.sql": "/*---\ntarget: serve\n---*/\nselect id, (id * 1e30)::numeric(60, 3) as x from t.there",
            "blocks/t/here.sql": "select * from t.there",
            "blocks/t/wide_here.sql": "select * from t.wide",
        },
    )  # fmt: skip
    report = build(folder)
    assert report.ok, list(report.failed())
    assert sorted(shown(folder, "t.here")) == [(number, Decimal(value)) for number, value in enumerate(values)]
    assert sorted(shown(folder, "t.wide_here")) == [(number, number * Decimal("1e30")) for number in range(len(values))]


def test_a_time_that_is_too_fine_for_postgres_is_refused_by_its_column(tmp_path: Path, postgres_url: str) -> None:
    fine = "timestamp_ns '2026-01-01 00:00:00.123456789'"
    folder = project(
        tmp_path, postgres_url,
        **{
            "blocks/t/there.sql": f"select 1 as id, {fine} as odd",
            "blocks/t/here.sql": "/*---\ntarget: serve\n---*/\nselect id from t.there",
        },
    )  # fmt: skip
    (failed,) = build(folder).failed()
    (problem,) = failed.problems
    told = "the column `odd` holds 2026-01-01 00:00:00.123456789, which Postgres has no time for: it keeps microseconds"
    assert problem.message == f"the rows of `t.there` cannot be carried over: {told}"


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("date 'infinity'", "infinity"),
        ("timestamp '294276-12-31'", "294276-12-31"),
        ("time '24:00'", "24:00:00"),
    ],
)
def test_a_time_that_arrow_does_not_have_is_refused_by_its_column(
    expression: str, value: str, tmp_path: Path, postgres_url: str
) -> None:
    folder = project(
        tmp_path, postgres_url,
        **{
            "blocks/t/there.sql": f"/*---\ntarget: serve\n---*/\nselect 1 as id, {expression} as odd",
            "blocks/t/here.sql": "select id from t.there",
        },
    )  # fmt: skip
    (failed,) = build(folder).failed()
    (problem,) = failed.problems
    assert f"the column `odd` holds {value}, which no " in problem.message


def test_a_view_that_breaks_while_it_is_carried_over_is_told_in_the_words_of_its_engine(
    tmp_path: Path, postgres_url: str
) -> None:
    folder = project(
        tmp_path, postgres_url,
        **{
            "blocks/t/lake.sql": "/*---\nmaterialize: view\n---*/\nselect (id || 'x')::integer as id from range(5000) as r (id)",
            "blocks/t/serve.sql": "/*---\nmaterialize: view\ntarget: serve\n---*/\nselect 1 / (id - 4999) as id from generate_series(1, 5000) as r (id)",
            "blocks/t/from_lake.sql": "/*---\ntarget: serve\n---*/\nselect * from t.lake",
            "blocks/t/from_serve.sql": "select * from t.serve",
        },
    )  # fmt: skip
    told = {str(failed.block): [problem.message for problem in failed.problems] for failed in build(folder).failed()}
    assert told == {
        "t.from_lake": ["the rows of `t.lake` cannot be carried over: could not convert string '0x' to INT32"],
        "t.from_serve": ["the rows of `t.serve` cannot be carried over: division by zero"],
    }


def test_only_what_has_changed_is_carried_over(tmp_path: Path, postgres_url: str) -> None:
    folder = project(tmp_path, postgres_url)
    assert built(folder) == ["staging.a", "marts.b", "marts.c"]
    assert built(folder) == []
    write(folder, {"blocks/staging/a.sql": FILES["blocks/staging/a.sql"] + " where random() < 2"})
    assert built(folder) == ["staging.a"]
    assert built(folder, edition=2) == ["staging.a", "marts.b", "marts.c"]


def test_a_failure_in_one_target_publishes_nothing_in_the_other(tmp_path: Path, postgres_url: str) -> None:
    folder = project(tmp_path, postgres_url)
    assert build(folder).ok
    before = seen(folder, postgres_url)
    write(folder, {"blocks/marts/b.sql": FILES["blocks/marts/b.sql"].replace("---*/", "assert: [edition < 2]\n---*/")})
    assert not build(folder, edition=2).ok
    assert seen(folder, postgres_url) == before == (1, 4, 1)


def test_a_target_that_cannot_publish_is_told_and_the_next_build_only_publishes(
    tmp_path: Path, postgres_url: str
) -> None:
    folder = project(tmp_path, postgres_url)
    assert build(folder).ok
    with failpoints.armed("create view:3:raise") as failure:
        report = build(folder, edition=2)
    assert failure.has_happened
    assert report.published_in == (("lake", 2),)
    assert "`serve` shows what it did before, and `lake` what is new" in str(report.problems[0])
    assert seen(folder, postgres_url) == (2, 5, 1)
    assert built(folder, edition=2) == []
    assert seen(folder, postgres_url) == (2, 5, 2)


@pytest.mark.parametrize(
    "failure", ["create view:1:kill", "committed:8:kill", "create view:3:kill", "load:1:kill", "load:2:kill"]
)
def test_a_build_that_is_killed_is_mended_by_the_next_one(failure: str, tmp_path: Path, postgres_url: str) -> None:
    folder = project(tmp_path, postgres_url)
    assert build(folder).ok
    process = crash.in_process(folder, failure)
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert seen(folder, postgres_url) in {(1, 4, 1), (2, 5, 1)}
    assert build(folder, edition=2).ok
    assert seen(folder, postgres_url) == (2, 5, 2)


def test_each_target_is_held_for_the_whole_run(tmp_path: Path, postgres_url: str) -> None:
    folder = project(tmp_path / "one", postgres_url)
    other = project(tmp_path / "other", postgres_url)
    process, said = crash.in_process_that_speaks(folder, "create view:1:hang")
    assert said.startswith("hangs at")
    with pytest.raises(BusyError, match=f"pid {process.pid}"):
        build(other, lock_timeout=0)
    process.kill()
    process.join()
    assert build(other).ok


def test_a_function_reads_a_block_of_another_target(tmp_path: Path, postgres_url: str) -> None:
    function = "import pyarrow as pa\nfrom sqlflow import block\n\n\n@block()\ndef f(marts__b: pa.Table) -> pa.Table:\n    return marts__b\n"
    folder = project(tmp_path, postgres_url, **FILES, **{"blocks/marts/f.py": function})
    assert build(folder).ok
    assert shown(folder, "marts.f") == [(1, 3)]
