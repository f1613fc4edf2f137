"""A project whose build does all that a build can do to a target, and what must hold when it was cut off anywhere."""

import atexit
import os
import random
import re
import shutil
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, TextIO

import duckdb
import postgres_server
from support import write

from sqlflow import Project
from sqlflow.core import failpoints
from sqlflow.core.errors import SqlflowError

FILES = {
    "sqlflow.yml": "name: p\nvars: {edition: 1}\nkeep: 0.000001\n",
    "seeds/raw/s.csv": "id,name\n1,ada\n2,grace\n",
    "seeds/raw/s.yml": "description: People.\ncolumns: {name: Who it is.}\nassert: [{unique: id}]\n",
    "blocks/staging/a.sql": "/*---\nmaterialize: view\ndescription: Edition {{ var('edition') }}.\n---*/\n"
    "select id, name, {{ var('edition') }} as edition from raw.s",
    "blocks/marts/b.sql": "/*---\nindexes: [id]\norder_by: [id]\nassert: [{unique: id}, edition >= 1]\n---*/\n"
    "select id, edition from staging.a",
    "blocks/marts/c.sql": "/*---\nmaterialize: ephemeral\n---*/\nselect max(edition) as edition from marts.b",
    "blocks/marts/d.sql": "/*---\nassert: [{sql: select * from marts.d, severity: warn}]\n---*/\nselect edition from c",
    "blocks/other/e.sql": "select edition, random() < 2 as always from marts.d",
    "assertions/b_is_d.sql": "select * from marts.b join marts.d on b.edition <> d.edition",
}
NEW_FILES = {"blocks/other/f.sql": "select edition, 'ours' as whose from marts.d"}
ON_POSTGRES = {
    "blocks/marts/p.sql": "/*---\noptions: {unlogged: true, partition_by: day}\ngrants: {select: public}\n---*/\n"
    "select date '2026-01-31' + id::int as day, edition from marts.b",
    "blocks/marts/m.sql": "/*---\nmaterialize: materialized_view\nindexes: [{columns: id, where: edition > 1}]\n---*/\n"
    "select id, edition from staging.a",
}
OLD_FILE = {"blocks/other/gone.sql": "select 'gone' as what"}
PRELOADED = ["crash", "duckdb", "sqlglot", "pyarrow", "sqlflow_duckdb.connection", "sqlflow.cli.commands.build"]
NO_FAILURE = "none:1:kill"
Content = dict[str, list[tuple[Any, ...]]]


@dataclass(frozen=True)
class Setting:
    """The folder of a project before the build that is cut off, and what readers see before and after that build."""

    folder: Path
    old: Content
    new: Content


@cache
def setting(engine: str = "duckdb") -> Setting:
    folder = Path(mkdtemp(prefix="sqlflow-crash-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    old, new = folder / "old", folder / "new"
    for where in (old, new):
        write(where, FILES | (OLD_FILE if where == old else {}))
        if engine == "postgres":
            write(where, ON_POSTGRES)
            point_to(where, postgres_server.new_database())
        with opened(where) as execute:
            execute("create schema other; create table other.f as select 7 as edition, 'theirs' as whose")
    report = Project.load(old).build()
    assert report.ok, report
    content = seen(old)
    (old / "blocks/other/gone.sql").unlink()
    write(old, NEW_FILES)
    write(new, NEW_FILES)
    assert build(new).ok
    return Setting(old, content, seen(new))


def build(folder: Path, threads: int = 1, **options: Any) -> Any:
    """Build the new edition."""
    project = Project.load(folder, vars={"edition": 2})
    return project.build(threads=threads, prune=True, adopt=True, **options)


def engine_of(folder: Path) -> str:
    return "postgres" if url_of(folder) else "duckdb"


def url_of(folder: Path) -> str:
    """Return where the project's Postgres is; empty for one that is built in DuckDB."""
    found = re.search(r"url: '(.*)'", (folder / "sqlflow.yml").read_text())
    return found[1] if found else ""


def point_to(folder: Path, url: str) -> None:
    write(folder, {"sqlflow.yml": f"{FILES['sqlflow.yml']}targets: {{dev: {{engine: postgres, url: '{url}'}}}}\n"})


@contextmanager
def opened(folder: Path) -> Iterator[Callable[[str], list[tuple[Any, ...]]]]:
    """Yield what runs SQL in the project's target and returns the rows of a query."""
    import psycopg

    if url := url_of(folder):
        with psycopg.connect(url, autocommit=True) as other:
            yield lambda sql: cursor.fetchall() if (cursor := other.execute(sql.encode())).description else []
        return
    with duckdb.connect(str(folder / "warehouse.duckdb"), config={"storage_compatibility_version": "v1.5.0"}) as one:
        yield lambda sql: one.execute(sql).fetchall()


_EVERY = {
    "duckdb": "select schema_name || '.' || table_name from duckdb_tables() where schema_name <> '_sqlflow' union all"
    " select schema_name || '.' || view_name from duckdb_views() where not internal and schema_name <> '_sqlflow'",
    "postgres": "select relnamespace::regnamespace || '.' || relname from pg_class where relkind in ('r', 'p', 'v', 'm')"
    # Temporary tables are their session's own; those of a killed one go when the server has noticed.
    " and relpersistence <> 't' and not relnamespace::regnamespace::text in ('_sqlflow', 'pg_catalog', 'information_schema', 'pg_toast')",
}
_VERSIONS = {
    "duckdb": "select table_name as name from duckdb_tables() where schema_name = '_sqlflow' union all"
    " select view_name from duckdb_views() where schema_name = '_sqlflow'",
    "postgres": "select relname::text as name from pg_class where relkind in ('r', 'p', 'v', 'm') and not relispartition"
    " and relnamespace = '_sqlflow'::regnamespace",
}


def seen(folder: Path) -> Content:
    """Return what a reader sees: the rows of every relation but the versions."""
    with opened(folder) as rows:
        names = [name for (name,) in rows(_EVERY[engine_of(folder)])]
        return {name: sorted(rows(f"select * from {name}"), key=repr) for name in sorted(names)}


def running(folder: Path) -> list[str]:
    """Return the statements of builds that still run in the project's server."""
    if not url_of(folder):
        return []
    with opened(folder) as rows:
        found = rows(
            "select query from pg_stat_activity where application_name like 'sqlflow%' and state = 'active'"
            " and datname = current_database()"
        )
    return [query for (query,) in found]


def waiting(folder: Path) -> bool:
    """Tell whether a build waits for a lock in the project's server."""
    with opened(folder) as rows:
        return bool(
            rows(
                "select 1 from pg_stat_activity where application_name like 'sqlflow%' and wait_event_type = 'Lock'"
                " and datname = current_database()"
            )
        )


def left_over(folder: Path) -> list[str]:
    """Return what is there and should not be: versions that no row tells of or the other way round, leases, files."""
    with opened(folder) as rows:
        found = rows(
            f"with there as ({_VERSIONS[engine_of(folder)]})"
            " select name from there where name not like 'sqlflow_%'"
            " and name not in (select relation from _sqlflow.sqlflow_versions)"
            " union all select relation from _sqlflow.sqlflow_versions where relation not in (select name from there)"
            " union all select run from _sqlflow.sqlflow_leases where run <> ''"
        )
    known = {"sqlflow.yml", "seeds", "blocks", "assertions", "warehouse.duckdb", ".sqlflow"}
    return [name for (name,) in found] + sorted(path.name for path in folder.iterdir() if path.name not in known)


def fresh(into: Path, engine: str = "duckdb") -> Path:
    """Return a copy of the project as it is before the build that is cut off, with a warehouse of its own."""
    if into.exists() and (url := url_of(into)):
        postgres_server.drop_database(url)
    shutil.rmtree(into, ignore_errors=True)
    shutil.copytree(setting(engine).folder, into)
    if url := url_of(into):
        point_to(into, postgres_server.new_database(url))
    return into


def faults_after(folder: Path, **options: Any) -> list[str]:
    """Return what does not hold of a project whose build was cut off. It is built again on the way, with the options."""
    cut, faults, expected = seen(folder), [], setting(engine_of(folder))
    if cut not in (expected.old, expected.new):
        faults.append(f"a reader sees a mixed set: {cut}")
    report = build(folder, **options)
    if not report.ok:
        faults.append(f"the next build fails: {report.problems or list(report.failed())}")
    elif seen(folder) != expected.new:
        faults.append(f"the next build differs from a clean one: {seen(folder)}")
    return faults + [f"left over: {name}" for name in left_over(folder)]


def tell(file: Path, faults: Iterable[str]) -> None:
    """Write faults down at once: a test that tries for hours may be ended before it says what it has found."""
    with file.open("a") as lines:
        lines.writelines(f"{fault}\n" for fault in faults)


def _child(folder: Path, failure: str, threads: int, said: Any) -> None:
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
    if said is not None:
        sys.stderr = os.fdopen(os.dup(said.fileno()), "w", buffering=1)
    with failpoints.armed(failure):
        sys.exit(build(folder, threads).exit_code)


def in_process(folder: Path, failure: str = NO_FAILURE, threads: int = 1, said: Any = None) -> Any:
    """Start a build in a process of its own: one that is forked from a server which has all modules loaded."""
    context = get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    process = context.Process(target=_child, args=(folder, failure, threads, said))
    process.start()
    return process


def _command(words: tuple[str, ...], folder: Path, failure: str, said: Any) -> None:
    from sqlflow.cli.main import main

    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell lets what it starts behind it ignore this signal
    os.chdir(folder)
    sys.stdout = sys.stderr = os.fdopen(os.dup(said.fileno()), "w", buffering=1)
    sys.argv = ["sqlflow", *words]
    said.close()
    with failpoints.armed(failure):
        main()


@contextmanager
def command(folder: Path, *words: str, failure: str = NO_FAILURE) -> Iterator[tuple[Any, TextIO]]:
    """Yield a process that runs `sqlflow`, forked as above, and what it prints."""
    heard, said = get_context("forkserver").Pipe(duplex=False)
    context = get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    process = context.Process(target=_command, args=(words, folder, failure, said))
    process.start()
    said.close()
    with os.fdopen(os.dup(heard.fileno())) as lines:
        try:
            yield process, lines
        finally:
            process.kill()
            process.join()


def cpu_seconds(pid: int) -> float:
    """Return the CPU time that a process has taken."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def in_process_that_speaks(folder: Path, failure: str) -> tuple[Any, str]:
    """Start a build, and return it with the first line that it writes to stderr; empty if it ends without one."""
    heard, said = get_context("forkserver").Pipe(duplex=False)
    process = in_process(folder, failure, said=said)
    said.close()
    with os.fdopen(os.dup(heard.fileno())) as lines:
        return process, lines.readline()


STATEMENTS_AT_LEAST = 100


def faults_of_kills(engine: str, numbers: Iterable[int], into: Path) -> list[str]:
    """Kill builds at the statements of these numbers until one ends untouched, and return what does not hold after each."""
    faults = []
    for nth in numbers:
        folder = fresh(into, engine)
        process = in_process(folder, f"any:{nth}:kill")
        process.join()
        if process.exitcode == 0:
            break
        assert process.exitcode == -signal.SIGKILL
        faults += [f"{nth}: {fault}" for fault in faults_after(folder)]
    assert nth > STATEMENTS_AT_LEAST
    return faults


def faults_of_errors(engine: str, kind: str, numbers: Iterable[int], into: Path) -> list[str]:
    """Let the statements of these numbers fail until a build ends untouched; what was told must be what readers see.

    A run that has ended in this process holds nothing: the next one waits for nobody.
    """
    faults = []
    for nth in numbers:
        folder = fresh(into, engine)
        with failpoints.armed(f"any:{nth}:{kind}") as failure:
            try:
                told = build(folder).ok
            except SqlflowError:
                told = False
        if not failure.has_happened:
            break
        if told != (seen(folder) == setting(engine).new):
            faults.append(f"{nth}: told {told}, and that is not what readers see")
        faults += [f"{nth}: {fault}" for fault in faults_after(folder, lock_timeout=0.0)]
    assert nth > STATEMENTS_AT_LEAST
    return faults


def faults_of_random_kills(engine: str, chance: random.Random, kills: int, seconds: float, into: Path) -> list[str]:
    """Kill builds with four threads at random moments of their first seconds, and return what does not hold after each."""
    faults, codes = [], set()
    for _ in range(kills):
        folder = fresh(into, engine)
        process = in_process(folder, threads=4)
        process.join(chance.uniform(0.0, seconds))
        process.kill()
        process.join()
        codes.add(process.exitcode)
        faults += faults_after(folder)
    assert -signal.SIGKILL in codes
    return faults
