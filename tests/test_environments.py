"""Environments share versions and nothing else: what one builds is used by all, and what one shows no other one changes."""

import itertools
import random
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import duckdb
import pytest
from support import times, write
from test_publish import second_connection

from sqlflow import Project
from sqlflow.core import events, failpoints
from sqlflow.core.environment import PROD
from sqlflow.core.errors import BusyError, SqlflowError
from sqlflow.run.report import Report
from sqlflow.run.sweep import sweep
from sqlflow.run.target import opened

FILES = {
    "blocks/staging/a.sql": "select {{ var('a') }} as n",
    "blocks/staging/b.sql": "/*---\nmaterialize: view\n---*/\nselect n, {{ var('b') }} as b from staging.a",
    "blocks/marts/c.sql": "/*---\nassert: [n >= 0]\n---*/\nselect n + b as n from staging.b",
    "blocks/marts/d.sql": "select {{ var('d') }} as d, n from marts.c",
}
VARS = {"a": 0, "b": 0, "d": 0}


@pytest.fixture(params=["duckdb", "postgres"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Write a project of that engine, and return the engine's name."""
    url = request.getfixturevalue("postgres_url") if request.param == "postgres" else ""
    target = f"targets: {{dev: {{engine: postgres, url: '{url}'}}}}\n" if url else ""
    write(tmp_path, {"sqlflow.yml": f"name: p\nvars: {VARS}\n{target}", **FILES})
    return str(request.param)


def build(folder: Path, environment: str = "prod", edits: Mapping[str, int] | None = None) -> tuple[Report, list[str]]:
    """Build, and return the report with the blocks that were built."""
    built: list[str] = []

    def listen(event: events.Event) -> None:
        if isinstance(event, events.BlockBuilt):
            built.append(event.block)

    project = Project.load(folder, vars={**VARS, **(edits or {})}, environment=environment)
    return project.build(listener=listen), built


def test_any_order_of_builds_in_environments_builds_no_version_twice(tmp_path: Path, engine: str) -> None:
    chance, built, edits = random.Random(7), Counter[tuple[str, str]](), dict(VARS)
    for _ in range(times(12, 200)):
        edits[chance.choice(list(VARS))] = chance.randrange(2)
        environment = chance.choice(["prod", "dev", "nightly"])
        project = Project.load(tmp_path, vars=edits, environment=environment)
        keys = {str(name): key.text for name, key in project.plan().keys.items()}
        report, names = build(tmp_path, environment, edits)
        built.update((name, keys[name]) for name in names)
        assert report.ok
        assert project.shown("marts.d").rows == ((edits["d"], edits["a"] + edits["b"]),)
    assert set(built.values()) == {1}


def test_publishing_in_one_environment_changes_nothing_in_another(tmp_path: Path, engine: str) -> None:
    assert build(tmp_path)[1] == ["staging.a", "staging.b", "marts.c", "marts.d"]
    assert build(tmp_path, "dev", {"a": 5})[1] == ["staging.a", "staging.b", "marts.c", "marts.d"]
    assert build(tmp_path, "nightly", {"d": 1})[1] == ["marts.d"]
    with second_connection(Project.load(tmp_path)) as session:
        shown = {
            schema: session.rows(f"select d, n from {schema}.d").rows
            for schema in ("marts", "dev__marts", "nightly__marts")
        }
    assert shown == {"marts": ((0, 0),), "dev__marts": ((0, 5),), "nightly__marts": ((1, 0),)}


@pytest.mark.parametrize("engine", ["postgres"], indirect=True)
def test_two_environments_are_built_side_by_side_and_one_is_not(tmp_path: Path, engine: str) -> None:
    said: list[object] = []

    def look(event: events.Event) -> None:
        if isinstance(event, events.BlockBuilt) and event.block == "staging.a":
            said.append(build(tmp_path, "dev", {"a": 2})[0].status)
            with pytest.raises(BusyError, match="another build: run 20"):
                Project.load(tmp_path).build(lock_timeout=0)

    assert Project.load(tmp_path, vars={"a": 1}).build(listener=look).ok
    assert said == ["succeeded"]
    shown = [Project.load(tmp_path, environment=name).shown("marts.c").rows for name in ("prod", "dev")]
    assert shown == [((1,),), ((2,),)]


@pytest.mark.parametrize("engine", ["postgres"], indirect=True)
def test_nothing_is_dropped_that_a_run_in_another_environment_may_be_about_to_use(tmp_path: Path, engine: str) -> None:
    write(tmp_path, {"sqlflow.yml": (tmp_path / "sqlflow.yml").read_text() + "keep: 0.000001\n"})
    write(tmp_path, {"blocks/staging/a.sql": "select {{ var('a') }} as n, random() < 2 as always"})
    assert build(tmp_path, "dev")[0].ok

    def look(event: events.Event) -> None:
        if isinstance(event, events.BlockBuilt) and event.block == "staging.a":
            assert build(tmp_path, "dev", {"a": 2})[0].ok
            with pytest.raises(BusyError, match="another build: run 20"):
                Project.load(tmp_path, environment="dev").clean(lock_timeout=0)

    assert Project.load(tmp_path, vars={"a": 1}).build(listener=look).ok
    assert Project.load(tmp_path).shown("marts.c").rows == ((1,),)
    assert build(tmp_path, "dev", {"a": 2})[0].ok
    with second_connection(Project.load(tmp_path)) as session:
        needed = session.rows("select count(distinct relation) from _sqlflow.sqlflow_published").rows
        there = session.rows("select count(*) from _sqlflow.sqlflow_versions").rows
    assert there == needed


def test_old_versions_are_left_for_a_later_run_when_time_is_over(tmp_path: Path, engine: str) -> None:
    assert [build(tmp_path, edits={"a": edition})[0].ok for edition in (1, 2)] == [True, True]
    with opened(Project.load(tmp_path).loaded) as (connection, session):
        assert sweep(connection, session, PROD, at_most=0.0) == ()
        assert len(sweep(connection, session, PROD)) > 1


@pytest.mark.parametrize("engine", ["postgres"], indirect=True)
def test_a_killed_run_in_another_environment_keeps_nothing_from_being_dropped(tmp_path: Path, engine: str) -> None:
    for environment in ("prod", "dev"):
        assert build(tmp_path, environment)[0].ok
    assert build(tmp_path, edits={"d": 1})[0].ok
    with second_connection(Project.load(tmp_path)) as session:
        session.execute(
            "update _sqlflow.sqlflow_leases set run = 'killed', since = '2026-01-01' where environment = 'dev'"
        )
    assert Project.load(tmp_path).clean() == ()
    assert build(tmp_path, "dev", {"d": 1})[0].ok
    assert len(Project.load(tmp_path).clean()) == 1


def test_a_state_from_before_there_were_environments_is_brought_up_to_date(tmp_path: Path, engine: str) -> None:
    assert build(tmp_path)[0].ok
    assert not build(tmp_path, edits={"a": -1})[0].ok
    with second_connection(Project.load(tmp_path)) as session:
        session.execute("alter table _sqlflow.sqlflow_failures drop column environment")
        session.execute("drop table _sqlflow.sqlflow_replaced")
        session.execute("update _sqlflow.sqlflow_state set form = 3")
    assert [failure.block for failure in Project.load(tmp_path).failures()] == ["marts.c"]
    assert Project.load(tmp_path, environment="dev").failures() == ()
    assert build(tmp_path, "dev")[1] == []
    assert [failure.block for failure in Project.load(tmp_path).failures()] == ["marts.c"]
    assert Project.load(tmp_path, environment="dev").failures() == ()


def test_a_state_that_has_kept_but_hashes_of_looks_is_brought_up_to_date(tmp_path: Path, engine: str) -> None:
    write(tmp_path, {"blocks/marts/d.sql": "/*---\ndescription: Editions.\n---*/\nselect {{ var('d') }} as d"})
    assert [build(tmp_path, edits={"d": edition})[0].ok for edition in (1, 2)] == [True, True]
    with second_connection(Project.load(tmp_path)) as session:
        session.execute("alter table _sqlflow.sqlflow_replaced drop column look")
        session.execute("update _sqlflow.sqlflow_published set look = '0123456789012345'")
        session.execute("update _sqlflow.sqlflow_state set form = 7")
    Project.load(tmp_path).rollback()
    assert Project.load(tmp_path).shown("marts.d").rows == ((1,),)
    assert build(tmp_path, edits={"d": 1})[1] == []
    with second_connection(Project.load(tmp_path)) as session:
        comments = session.rows("select description from pg_description where description like 'Edition%'").rows
        assert comments == (("Editions.",),)


def test_a_rollback_shares_versions_with_all_that_was_built(tmp_path: Path, engine: str) -> None:
    built = [build(tmp_path, edits={"a": edition})[1] for edition in (1, 2)]
    built.append(build(tmp_path, "dev", {"a": 1})[1])
    Project.load(tmp_path).rollback()
    assert Project.load(tmp_path).shown("marts.d").rows == ((0, 1),)
    built.append(build(tmp_path, edits={"a": 1})[1])
    built.append(build(tmp_path, "dev", {"a": 2})[1])
    Project.load(tmp_path, vars={"a": 2, "b": 0, "d": 0}).promote("dev")
    assert Project.load(tmp_path).shown("marts.d").rows == ((0, 2),)
    assert [len(names) for names in built] == [4, 4, 0, 0, 0]


Shown = dict[str, tuple[int, ...]]
ACTIONS: dict[str, tuple[Callable[[Project], object], Shown, Shown]] = {
    "rollback": (Project.rollback, {"marts": (2, 3), "dev__marts": (3, 3)}, {"marts": (1, 2), "dev__marts": (3, 3)}),
    "promote": (
        lambda project: project.promote("dev"),
        {"marts": (2, 3), "dev__marts": (3, 3)},
        {"marts": (3, 3), "dev__marts": (3, 3)},
    ),
    "drop": (
        lambda project: project.drop_environment("dev"),
        {"marts": (2, 3), "dev__marts": (3, 3)},
        {"marts": (2, 3)},
    ),
}


@pytest.mark.parametrize("action", ACTIONS)
def test_what_is_cut_off_at_any_statement_leaves_one_whole_set_and_can_be_done_again(
    action: str, tmp_path: Path
) -> None:
    do, before, after = ACTIONS[action]
    folder = write(tmp_path / "p", {"sqlflow.yml": f"name: p\nvars: {VARS}\n", **FILES})
    assert build(folder, edits={"a": 1})[0].ok
    write(folder, {"blocks/marts/e.sql": "select n from marts.d"})
    assert build(folder, edits={"a": 2})[0].ok
    assert build(folder, "dev", edits={"a": 3})[0].ok
    kept = shutil.copyfile(folder / "warehouse.duckdb", tmp_path / "kept")
    project = Project.load(folder, vars={**VARS, "a": 3})
    for nth in itertools.count(1):
        shutil.copyfile(kept, folder / "warehouse.duckdb")
        with failpoints.armed(f"any:{nth}:raise") as failure, suppress(SqlflowError):
            do(project)
        if (found := shown(project)) != after:
            assert found == before
            do(project)
        assert shown(project) == after
        if not failure.has_happened:
            break
    assert nth > 20


def shown(project: Project) -> Shown:
    """Return for each schema with a view `c` what `c` holds, and how many views there are in the schema."""
    with second_connection(project) as session:
        found = session.rows(
            "select schema_name, count(*) from duckdb_views() where schema_name like '%marts' group by schema_name"
        ).rows
        return {schema: (session.rows(f"select n from {schema}.c").rows[0][0], count) for schema, count in found}


def test_a_copy_is_of_what_prod_shows(tmp_path: Path) -> None:
    target = "targets: {dev: {engine: duckdb, path: w.duckdb, publish_copy: copy.duckdb}}\n"
    write(tmp_path, {"sqlflow.yml": f"name: p\nvars: {VARS}\n{target}", **FILES})
    found = []
    assert build(tmp_path, "dev")[0].ok
    found.append((tmp_path / "copy.duckdb").exists())
    for edition in (1, 2):
        assert build(tmp_path, edits={"a": edition})[0].ok
        assert build(tmp_path, "dev", {"a": 9})[0].ok
        found.append(copied(tmp_path))
    Project.load(tmp_path).rollback()
    assert [*found, copied(tmp_path)] == [False, 1, 2, 1]


def copied(folder: Path) -> int:
    """Return what `marts.c` holds in the copy, which has nothing of other environments."""
    with duckdb.connect(str(folder / "copy.duckdb"), read_only=True) as copy:
        assert copy.execute("select count(*) from duckdb_schemas() where schema_name like 'dev%'").fetchone() == (0,)
        return int((copy.execute("select n from marts.c").fetchone() or (0,))[0])


@pytest.mark.parametrize("engine", ["postgres"], indirect=True)
def test_builds_of_three_environments_that_begin_at_once_in_an_empty_target_all_publish(
    tmp_path: Path, engine: str
) -> None:
    command = (sys.executable, "-m", "sqlflow", "build", "--quiet", "--env")
    names = ["prod", "dev", "prod", "dev", "nightly"]
    processes = [
        subprocess.Popen((*command, name, "--vars", f"a={number}"), cwd=tmp_path, stdout=subprocess.DEVNULL)
        for number, name in enumerate(names)
    ]
    assert [process.wait() for process in processes] == [0] * len(names)
    with second_connection(Project.load(tmp_path)) as session:
        runs = "select environment, count(*) from _sqlflow.sqlflow_runs group by environment order by 1"
        leases = (
            "select environment, count(*) from _sqlflow.sqlflow_leases where run = '' group by environment order by 1"
        )
        assert session.rows(runs).rows == (("dev", 2), ("nightly", 1), ("prod", 2))
        assert session.rows(leases).rows == (("dev", 1), ("nightly", 1), ("prod", 1))
