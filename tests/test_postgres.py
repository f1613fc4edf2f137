"""What Postgres alone can do to a build: other people's views, rights, locks, snapshots, lost connections."""

import re
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
from proxy import Proxy
from support import write

from sqlflow import Project
from sqlflow.core import events, failpoints
from sqlflow.core.errors import SqlflowError, TargetError
from sqlflow.core.names import TableName
from sqlflow.run.target import opened

FILES = {
    "blocks/marts/revenue.sql": "/*---\ndescription: Money.\n---*/\nselect {{ var('columns') }} from generate_series(1, 3) as n (id)",
    "blocks/marts/total.sql": "select sum(id) as total from marts.revenue",
}
Postgres = psycopg.Connection[tuple[Any, ...]]


@pytest.fixture
def other(postgres_url: str) -> Iterator[Postgres]:
    """Somebody else's connection to the warehouse."""
    with psycopg.connect(postgres_url, autocommit=True, prepare_threshold=None) as connection:
        yield connection


def project(folder: Path, url: str, columns: str = "id, 'a' as note", more: str = "") -> Project:
    settings = f"name: p\nvars: {{columns: x}}\ntargets: {{dev: {{engine: postgres, url: '{url}'{more}}}}}\n"
    write(folder, FILES | {"sqlflow.yml": settings})
    return Project.load(folder, vars={"columns": columns})


def test_a_view_of_somebody_else_survives_what_adds_columns(tmp_path: Path, postgres_url: str, other: Postgres) -> None:
    assert project(tmp_path, postgres_url).build().ok
    other.execute("create view public.report as select id from marts.revenue")
    assert project(tmp_path, postgres_url, "id, 'a' as note, 1 as more").build().ok
    assert other.execute("select count(*) from public.report").fetchall() == [(3,)]


def test_a_view_of_somebody_else_is_named_by_the_plan_and_dropped_by_cascade_alone(
    tmp_path: Path, postgres_url: str, other: Postgres
) -> None:
    assert project(tmp_path, postgres_url).build().ok
    other.execute("create view public.report as select id from marts.revenue")
    changed = project(tmp_path, postgres_url, "id::text as id")
    write(tmp_path, {"blocks/marts/total.sql": "select count(*) as total from marts.revenue"})
    changed = Project.load(tmp_path, vars={"columns": "id::text as id"})
    assert {str(name): list(map(str, readers)) for name, readers in changed.plan().readers.items()} == {
        "marts.revenue": ["public.report"]
    }
    report = changed.build()
    assert report.status == "failed"
    assert "is read by `public.report`, which sqlflow did not make" in report.problems[0].message
    assert other.execute("select count(*) from public.report").fetchall() == [(3,)]
    assert changed.build(cascade=True).ok
    assert other.execute("select to_regclass('public.report')").fetchall() == [(None,)]


def test_grants_and_comments_stay_when_a_view_is_made_anew(tmp_path: Path, postgres_url: str, other: Postgres) -> None:
    assert project(tmp_path, postgres_url).build().ok
    other.execute("do $$ begin create role sqlflow_reader; exception when duplicate_object then null; end $$")
    other.execute("grant select on marts.revenue to sqlflow_reader with grant option")
    other.execute("grant select on marts.revenue to public")
    other.execute("grant update (id) on marts.revenue to sqlflow_reader")
    other.execute("comment on column marts.revenue.id is 'By hand.'")
    rights = (
        "select array(select a::text from unnest(relacl) as a order by 1), (select attacl::text from pg_attribute where attrelid = pg_class.oid and attname = 'id'),"
        " obj_description(oid), col_description(oid, 1) from pg_class where oid = 'marts.revenue'::regclass"
    )
    before = other.execute(rights).fetchall()
    assert project(tmp_path, postgres_url, "id").build().ok
    assert other.execute(rights).fetchall() == before
    other.execute("drop owned by sqlflow_reader")


def test_publishing_gives_way_to_a_reader_and_tries_again(tmp_path: Path, postgres_url: str, other: Postgres) -> None:
    assert project(tmp_path, postgres_url).build().ok
    with psycopg.connect(postgres_url) as reader:
        reader.execute("lock table marts.revenue in access share mode")
        changed = project(tmp_path, postgres_url, "id + 1 as id", ", publish_lock_timeout: 1.0, snapshot_wait: 0.05")
        done: list[Any] = []
        thread = threading.Thread(target=lambda: done.append(changed.build()))
        thread.start()
        waiting = "select 1 from pg_stat_activity where wait_event_type = 'Lock' and application_name like 'sqlflow%'"
        while not other.execute(waiting).fetchall():
            assert thread.is_alive()
        assert other.execute("select min(id) from marts.revenue").fetchall() == [(1,)]
        reader.rollback()
        thread.join()
    assert done[0].ok
    assert other.execute("select min(id) from marts.revenue").fetchall() == [(2,)]


def test_a_reader_who_never_gives_way_stops_publishing_and_keeps_the_old_rows(
    tmp_path: Path, postgres_url: str, other: Postgres
) -> None:
    assert project(tmp_path, postgres_url).build().ok
    with psycopg.connect(postgres_url) as reader:
        reader.execute("lock table marts.revenue in access share mode")
        report = project(
            tmp_path, postgres_url, "id + 1 as id", ", publish_lock_timeout: 0.05, snapshot_wait: 0.05"
        ).build()
    assert report.exit_code == 1
    assert "lock timeout" in report.problems[0].message
    assert other.execute("select min(id) from marts.revenue").fetchall() == [(1,)]


def test_publishing_waits_for_a_reader_with_an_older_snapshot_and_then_warns(
    tmp_path: Path, postgres_url: str, other: Postgres
) -> None:
    assert project(tmp_path, postgres_url).build().ok
    with psycopg.connect(postgres_url) as reader:
        reader.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        reader.execute("select 1")
        warned: list[str] = []

        def hear(event: events.Event) -> None:
            warned.extend([event.message] if isinstance(event, events.Warned) else [])

        changed = project(tmp_path, postgres_url, "id + 1 as id", ", snapshot_wait: 0.3")
        assert changed.build(listener=hear).ok
    assert [re.sub(r"\d+", "N", text) for text in warned] == [
        "published over readers that have begun before, who may find tables empty: process N (without a name)"
    ]


def test_a_lost_connection_is_made_again_and_the_block_tried_again(
    tmp_path: Path, postgres_url: str, other: Postgres
) -> None:
    warned: list[str] = []
    cut: list[str] = []
    ended = threading.Event()

    def hear(event: events.Event) -> None:
        if isinstance(event, events.BlockStarted) and not cut:
            cut.append(event.block)
            threading.Thread(target=terminate).start()
        warned.extend([event.message] if isinstance(event, events.Warned) else [])

    def terminate() -> None:
        with psycopg.connect(postgres_url, autocommit=True) as killer:
            while (
                not ended.is_set()
                and not killer.execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity where query like '%% marts.revenue %%pg_sleep%%'"
                    " and pid <> pg_backend_pid() and state = 'active'"
                ).fetchall()
            ):
                pass

    slow = project(tmp_path, postgres_url, "id, pg_sleep(case when id = 1 then 1 else 0 end)::text as slept")
    report = slow.build(listener=hear)
    ended.set()
    assert report.ok
    assert warned == [
        "`marts.revenue` is tried again: the connection to Postgres is lost: terminating connection due to administrator command"
    ]


def test_every_statement_says_what_it_belongs_to(tmp_path: Path, postgres_url: str, other: Postgres) -> None:
    seen: list[tuple[Any, ...]] = []
    ended = threading.Event()
    asked = "select application_name, query from pg_stat_activity where query like '%create table%pg_sleep(0.4)%' and pid <> pg_backend_pid()"

    def watch() -> None:
        while not seen and not ended.is_set():
            seen.extend(other.execute(asked).fetchall())

    thread = threading.Thread(target=watch)
    thread.start()
    report = project(tmp_path, postgres_url, "id, pg_sleep(0.4)::text as slept").build()
    ended.set()
    thread.join()
    assert seen[0][0] == f"sqlflow {report.run}"
    assert seen[0][1].startswith(f"/* sqlflow p marts.revenue {report.run} */ ")


def test_a_server_that_is_not_there_is_a_target_error_that_shows_no_password(tmp_path: Path) -> None:
    nowhere = project(tmp_path, "postgresql://ada:s3cret-word@127.0.0.1:1/nothing")
    with pytest.raises(TargetError) as caught:
        nowhere.build(lock_timeout=0)
    assert "127.0.0.1:1, database `nothing`" in str(caught.value)
    assert "s3cret" not in str(caught.value)
    assert "s3cret-word" in nowhere.loaded.secrets


def test_cancelling_ends_the_work_in_the_server(tmp_path: Path, postgres_url: str, other: Postgres) -> None:
    asked = "select 1 from pg_stat_activity where query like '%create table%pg_sleep(100)%' and state = 'active' and pid <> pg_backend_pid()"

    def stop() -> None:
        while not ended.is_set() and not other.execute(asked).fetchall():
            pass
        if not ended.is_set():
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    ended = threading.Event()
    thread = threading.Thread(target=stop)
    slow = project(tmp_path, postgres_url, "id, pg_sleep(100)::text as slept")
    thread.start()
    report = slow.build()
    ended.set()
    thread.join()
    assert (report.status, report.exit_code) == ("cancelled", 130)
    assert other.execute(asked).fetchall() == []


def test_waiting_for_readers_ends_with_a_signal(tmp_path: Path, postgres_url: str, other: Postgres) -> None:
    assert project(tmp_path, postgres_url).build().ok
    waiting = "select 1 from pg_stat_activity where query like '%xact_start <%' and pid <> pg_backend_pid()"
    ended = threading.Event()

    def stop() -> None:
        while not ended.is_set() and not other.execute(waiting).fetchall():
            pass
        if not ended.is_set():
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    with psycopg.connect(postgres_url) as reader:
        reader.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        reader.execute("select 1")
        thread = threading.Thread(target=stop)
        thread.start()
        report = project(tmp_path, postgres_url, "id + 1 as id", ", snapshot_wait: 100").build()
        ended.set()
        thread.join()
    assert (report.status, report.exit_code) == ("cancelled", 130)
    assert report.seconds < 100
    assert other.execute("select min(id) from marts.revenue").fetchall() == [(1,)]


CONTENTS = {
    "smallint": ("0", "-1", "null"),
    "integer": ("0", "-1", "1", "null"),
    "bigint": ("0", "4294967298", "2", "-1", "4294967295", "4294967296", "1", "null"),
    "numeric": ("0", "5", "-5", "1.0", "1.00", "'NaN'", "null"),
    "numeric(9, 2)": ("5", "-5", "null"),
    "real": ("0", "'-0'", "'NaN'", "'Infinity'", "1e-30", "null"),
    "double precision": ("0", "'-0'", "'NaN'", "'-Infinity'", "1e-300", "null"),
    "boolean": ("true", "false", "null"),
    "text": ("''", "' '", "'null'", "'A'", "'a'", "null"),
    "char(3)": ("'a'", "'b'", "null"),
    "bytea": ("''", "'\\x00'", "null"),
    "date": ("'infinity'", "'-infinity'", "'2000-01-01'", "'1999-12-31'", "'5000000-01-01'", "null"),
    "time": ("'00:00'", "'24:00'", "'00:00:00.000001'", "'01:11:34.967296'", "null"),
    "timetz": ("'12:00+01'", "'11:00+00'", "null"),
    "timestamp(3)": ("'infinity'", "'2000-01-01'", "'1999-12-31 23:59:59.999'", "null"),
    "timestamp": (
        "'2000-01-01 00:00:00.000001'",
        "'2000-01-01 01:11:34.967296'",
        "'9999-12-31'",
        "'9999-12-31 00:00:00.000001'",
        "null",
    ),
    "timestamptz": (
        "'infinity'",
        "'2000-01-01 00:00:00.000001+00'",
        "'2000-01-01 01:11:34.967296+00'",
        "'1970-01-01 00:00+00'",
        "'1970-01-01 00:00+01'",
        "null",
    ),
    "interval": ("'1 month'", "'30 days'", "'24:00'", "'1 day'", "null"),
    "uuid": ("'00000000-0000-0000-0000-000000000000'", "'10000000-0000-0000-0000-000000000000'", "null"),
    "jsonb": ("'1.0'", "'1.00'", "'null'", "null"),
    "json": ("'{}'", "'{ }'", "null"),
    "text[]": ("'{}'", "'{null}'", "'{a,b}'", "'{\"a,b\"}'", "null"),
    "float8[]": ("'{0}'", "'{-0}'", "null"),
    "point": ("'(0,0)'", "'(0,1)'", "null"),
}


def test_values_that_only_look_the_same_are_other_contents(tmp_path: Path, postgres_url: str) -> None:
    loaded, relation = project(tmp_path, postgres_url).loaded, TableName("public", "made")
    with opened(loaded) as (_, session):
        for kind, values in CONTENTS.items():
            found = set()
            pairs = {pair for value in values for pair in ((value, "null"), ("null", value))}
            for one, other in pairs:
                made = f"select cast({one} as {kind}) as one, cast({other} as {kind}) as other"
                session.execute(f"create table {relation.sql} as {made}")
                query = loaded.target.engine.content(relation, session.columns(f"select * from {relation.sql}"), False)
                found.add(session.rows(query or "").rows)
                session.execute(f"drop table {relation.sql}")
            assert len(found) == len(pairs), kind


def test_what_a_database_sets_for_its_sessions_shapes_no_values(
    tmp_path: Path, postgres_url: str, other: Postgres
) -> None:
    for name, value in {"array_nulls": "off", "transform_null_equals": "on", "xmlbinary": "hex"}.items():
        other.execute(f"alter database {other.info.dbname} set {name} = {value}".encode())
    with opened(project(tmp_path, postgres_url).loaded) as (_, session):
        asked = "select ('{NULL}'::text[])[1] is null, (1 = null) is null, xmlelement(name x, '\\x01'::bytea)::text"
        assert session.rows(asked).rows == ((True, True, "<x>AQ==</x>"),)


def test_what_an_older_server_has_built_is_built_again(tmp_path: Path, postgres_url: str, other: Postgres) -> None:
    assert project(tmp_path, postgres_url).build().ok
    major = f'"{other.info.server_version // 10000}"'
    for table, column in (("versions", "reads"), ("recipes", "recipe")):
        sql = f"update _sqlflow.sqlflow_{table} set key = 'of ' || relation, {column} = replace({column}, '{major}', '\"9\"')"
        other.execute(sql.encode())
    again = project(tmp_path, postgres_url)
    assert [step.reason for step in again.plan().steps] == ["the server's version has changed"] * 2
    assert [difference.what for difference in again.why("marts.revenue").changed] == ["the server's version"]
    assert again.build().ok
    assert {step.action for step in project(tmp_path, postgres_url).plan().steps} == {"reuse"}


DEFINED = {
    "an overload": ("create function public.abs(integer, text) returns integer language sql as 'select 1'",
                    "create or replace function public.abs(integer, text) returns integer language sql as 'select 2'"),
    "what it calls": ("create function public.mine() returns integer language sql as 'select 1';"
                      "create function public.abs(text) returns integer language sql as 'select public.mine()'",
                      "create or replace function public.mine() returns integer language sql as 'select 2'"),
    "an aggregate": ("create aggregate public.every(integer) (sfunc = int4larger, stype = integer)",
                     "create or replace aggregate public.every(integer) (sfunc = int4smaller, stype = integer)"),
    "an operator": ("create function public.two(integer, text) returns integer language sql as 'select 1';"
                    "create operator public.+ (leftarg = integer, rightarg = text, function = public.two)",
                    "create or replace function public.two(integer, text) returns integer language sql as 'select 2'"),
    "a cast": ("create type public.size as (a integer); create function public.sized(public.size) returns integer"
               " language sql as 'select 1'; create cast (public.size as integer) with function public.sized as implicit",
               "drop cast (public.size as integer)"),
    "a domain": ("create domain public.small as integer check (value < 9)",
                 "alter domain public.small drop constraint small_check; alter domain public.small add check (value < 99)"),
    "an enum": ("create type public.mood as enum ('a', 'b')", "alter type public.mood rename value 'a' to 'c'"),
    "a composite type": ("create type public.pair as (a integer)", "alter type public.pair add attribute b integer"),
    "a range": ("create type public.span as range (subtype = float8)",
                "drop type public.span; create type public.span as range (subtype = float4)"),
    "a collation": ("create collation public.mine from \"C\"", "drop collation public.mine"),
}  # fmt: skip


@pytest.mark.parametrize("change", DEFINED)
def test_what_a_database_defines_in_place_of_what_is_built_in_is_part_of_each_key(
    tmp_path: Path, postgres_url: str, other: Postgres, change: str
) -> None:
    loaded = project(tmp_path, postgres_url).loaded
    found = []
    with opened(loaded) as (connection, _):
        for statements in ("select 1", *DEFINED[change]):
            other.execute(statements.encode())
            found.append(connection.definitions())
    assert found[0] == ""
    assert found[1] not in ("", found[2])


def test_a_table_that_is_found_by_its_bare_name_may_be_another_in_another_schema(
    tmp_path: Path, postgres_url: str, other: Postgres
) -> None:
    write(tmp_path, {"blocks/marts/ids.sql": "/*---\nrefresh: never\n---*/\nselect id from events"})
    for number, schema in enumerate(("one", "two"), 1):
        other.execute(f"create schema {schema}; create table {schema}.events as select {number} as id".encode())
        assert project(tmp_path, postgres_url, more=f", schema: {schema}").build().ok
        assert other.execute("select id from marts.ids").fetchall() == [(number,)]
        steps = project(tmp_path, postgres_url, more=f", schema: {schema}").plan().steps
        assert {step.action for step in steps} == {"reuse"}


def test_what_a_database_defines_is_built_with(tmp_path: Path, postgres_url: str, other: Postgres) -> None:
    assert project(tmp_path, postgres_url).build().ok
    other.execute("create function public.mine(integer) returns integer language sql as 'select 1'")
    assert {step.action for step in project(tmp_path, postgres_url).plan().steps} == {"reuse"}
    for result in (1, 2):
        body = f"returns integer language sql as 'select {result}'"
        other.execute(f"create or replace function public.abs(text) {body}".encode())
        again = project(tmp_path, postgres_url)
        reason = "a function, type or operator of the target's own has changed"
        assert [step.reason for step in again.plan().steps] == [reason] * 2
        assert again.build().ok
        assert {step.action for step in project(tmp_path, postgres_url).plan().steps} == {"reuse"}


def test_a_state_of_an_older_sqlflow_is_brought_up_to_date_and_not_half_when_it_fails(
    tmp_path: Path, postgres_url: str, other: Postgres
) -> None:
    assert project(tmp_path, postgres_url).build().ok
    for table in ("recipes", "contents", "replaced"):
        other.execute(f"drop table _sqlflow.sqlflow_{table}".encode())
    other.execute("alter table _sqlflow.sqlflow_failures drop column environment")
    other.execute("update _sqlflow.sqlflow_state set form = 1")
    for place in ("create sqlflow_replaced", "alter sqlflow_failures", "delete sqlflow_state", "commit"):
        with failpoints.armed(f"{place}:1:raise") as failure, pytest.raises(SqlflowError, match="fail-point"):
            project(tmp_path, postgres_url).build()
        assert failure.has_happened
        assert other.execute(
            "select form, to_regclass('_sqlflow.sqlflow_recipes') from _sqlflow.sqlflow_state"
        ).fetchall() == [(1, None)]
    report = project(tmp_path, postgres_url).build()
    assert (report.ok, {block.status for block in report.blocks}) == (True, {"reused"})


def test_a_database_in_another_encoding_is_refused(tmp_path: Path, postgres_url: str, other: Postgres) -> None:
    name = f"{other.info.dbname}_ascii"
    other.execute(f"create database {name} encoding 'SQL_ASCII' locale 'C' template template0".encode())
    try:
        with pytest.raises(TargetError, match=r"has the encoding SQL_ASCII: sqlflow needs UTF8"):
            project(tmp_path, postgres_url.replace(other.info.dbname, name)).build(lock_timeout=0)
    finally:
        other.execute(f"drop database {name}".encode())


def test_a_role_that_may_make_no_schema_and_its_timeout_are_told(
    tmp_path: Path, postgres_url: str, other: Postgres
) -> None:
    role = other.info.dbname.replace("t_", "role_")
    other.execute(f"create role {role} login; alter role {role} set statement_timeout = '50ms'".encode())
    as_role = postgres_url.replace("postgres@", f"{role}@")
    try:
        with pytest.raises(SqlflowError, match="permission denied for database"):
            project(tmp_path, as_role).build()
        other.execute(f"grant create on database {other.info.dbname} to {role}".encode())
        report = project(tmp_path, as_role, "id, pg_sleep(5)::text as slept").build()
        assert "statement timeout" in str(report.blocks[0].problems[0])
    finally:
        other.execute(f"drop owned by {role}; drop role {role}".encode())


def test_names_that_postgres_would_cut_are_refused_with_their_place(tmp_path: Path, postgres_url: str) -> None:
    write(tmp_path, FILES | {"blocks/marts/long.sql": f"select 1 as {'x' * 64}"})
    with pytest.raises(Exception, match=r"long.sql:1:13: the name `x{64}` is 64 bytes long: Postgres has at most 63"):
        project(tmp_path, postgres_url)


@pytest.mark.parametrize(
    "marks",
    [
        [b"create table"],
        [b"create table", b"commit\0"],
        [b"create or replace view"],
        [b'insert into "_sqlflow"."sqlflow_runs"'],
        [b'insert into "_sqlflow"."sqlflow_runs"', b"commit\0"],
    ],
)
def test_a_connection_that_is_cut_leaves_no_doubt(
    marks: list[bytes], tmp_path: Path, postgres_url: str, other: Postgres
) -> None:
    """The server has done what was asked and the answer is lost: what is there counts. A block is built again, and
    publishing tried again, if that has not happened."""
    assert project(tmp_path, postgres_url).build().ok
    given = psycopg.conninfo.conninfo_to_dict(postgres_url)
    (tmp_path / "s").mkdir()
    with Proxy(Path(f"{given['host']}/.s.PGSQL.{given.get('port', 5432)}"), tmp_path / "s") as proxy:
        through = postgres_url.replace(quote(str(given["host"]), safe=""), quote(str(tmp_path / "s"), safe=""))
        changed = project(tmp_path, through, "id, 'b' as note")
        proxy.marks = list(marks)
        report = changed.build(threads=1)
    assert not proxy.marks
    note = "select string_agg(distinct note, '') from marts.revenue"
    assert (report.ok, other.execute(note).fetchall()) == (True, [("b",)])
    assert other.execute("select count(*) from _sqlflow.sqlflow_runs").fetchall() == [(2,)]
    again = project(tmp_path, postgres_url, "id, 'b' as note").build()
    assert {result.status for result in again.blocks} == {"reused"}
    assert other.execute(note).fetchall() == [("b",)]
