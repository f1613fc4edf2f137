"""A project whose build does all that a build can do to a target, and what must hold when it was cut off anywhere."""

import atexit
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, TextIO

import duckdb
from support import write

from sqlflow import Project
from sqlflow.core import failpoints

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
def setting() -> Setting:
    folder = Path(mkdtemp(prefix="sqlflow-crash-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    old, new = folder / "old", folder / "new"
    for where in (old, new):
        write(where, FILES | (OLD_FILE if where == old else {}))
        with duckdb.connect(
            str(where / "warehouse.duckdb"), config={"storage_compatibility_version": "v1.5.0"}
        ) as base:
            base.execute("create schema other; create table other.f as select 7 as edition, 'theirs' as whose")
    assert Project.load(old).build().ok
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


def seen(folder: Path) -> Content:
    """Return what a reader sees: the rows of every relation but the versions."""
    with duckdb.connect(str(folder / "warehouse.duckdb")) as reader:
        every = "select schema_name || '.' || table_name from duckdb_tables() where schema_name <> '_sqlflow' union all"
        every += " select schema_name || '.' || view_name from duckdb_views() where not internal and schema_name <> '_sqlflow'"
        names = [name for (name,) in reader.execute(every).fetchall()]
        return {name: reader.execute(f"from {name} order by all").fetchall() for name in sorted(names)}


def left_over(folder: Path) -> list[str]:
    """Return what is there and should not be: versions that no row tells of or the other way round, leases, files."""
    with duckdb.connect(str(folder / "warehouse.duckdb")) as reader:
        found = reader.execute(
            "with there as (select table_name as name from duckdb_tables() where schema_name = '_sqlflow' union all"
            " select view_name from duckdb_views() where schema_name = '_sqlflow')"
            " select name from there where name not like 'sqlflow_%'"
            " and name not in (select relation from _sqlflow.sqlflow_versions)"
            " union all select relation from _sqlflow.sqlflow_versions where relation not in (select name from there)"
            " union all select run from _sqlflow.sqlflow_leases where run <> ''"
        ).fetchall()
    known = {"sqlflow.yml", "seeds", "blocks", "assertions", "warehouse.duckdb", ".sqlflow"}
    return [name for (name,) in found] + sorted(path.name for path in folder.iterdir() if path.name not in known)


def fresh(into: Path) -> Path:
    """Return a copy of the project as it is before the build that is cut off."""
    shutil.rmtree(into, ignore_errors=True)
    shutil.copytree(setting().folder, into)
    return into


def faults_after(folder: Path) -> list[str]:
    """Return what does not hold of a project whose build was cut off. It is built again on the way."""
    cut, faults = seen(folder), []
    if cut not in (setting().old, setting().new):
        faults.append(f"a reader sees a mixed set: {cut}")
    report = build(folder)
    if not report.ok:
        faults.append(f"the next build fails: {report.problems or list(report.failed())}")
    elif seen(folder) != setting().new:
        faults.append(f"the next build differs from a clean one: {seen(folder)}")
    return faults + [f"left over: {name}" for name in left_over(folder)]


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


def in_process_that_speaks(folder: Path, failure: str) -> tuple[Any, str]:
    """Start a build, and return it with the first line that it writes to stderr; empty if it ends without one."""
    heard, said = get_context("forkserver").Pipe(duplex=False)
    process = in_process(folder, failure, said=said)
    said.close()
    with os.fdopen(os.dup(heard.fileno())) as lines:
        return process, lines.readline()
