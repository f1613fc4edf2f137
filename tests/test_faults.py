"""The surroundings fail: each fault has its clear error, and what is published stays as it was."""

import random
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import crash
import duckdb
import pytest
from bad_inputs_adapter import _without_rights_of_root
from support import times, write

from sqlflow import Project
from sqlflow.core import events
from sqlflow.core.errors import SqlflowError

PROJECT = "name: p\nvars: {edition: 1}\n"
KEPT = "select {{ var('edition') }} as edition"
SQLFLOW = (sys.executable, "-m", "sqlflow")


def build(folder: Path, *words: str, before: Callable[[], None] | None = None) -> "subprocess.CompletedProcess[str]":
    command = (*SQLFLOW, "build", "--quiet", *words)
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, preexec_fn=before)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[tuple[Path, Callable[[], None] | None]]:
    """Yield a folder on a disk of 40 MB, and what a process must do before it meets its end.

    Where the test may not mount a disk, a file may not grow beyond that size.
    """
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ("mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", disk), capture_output=True, check=False
    )
    try:
        yield disk, None if mounted.returncode == 0 else _small_files
    finally:
        if mounted.returncode == 0:
            subprocess.run(("umount", "--lazy", disk), check=True)


def _small_files() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (40 << 20, 40 << 20))


@pytest.mark.parametrize("millions", range(4, 24) if times(0, 1) else [8, 14, 20])
def test_a_full_disk_is_told_with_the_size_of_the_database_and_room_is_all_that_it_takes(
    millions: int, small_disk: tuple[Path, Callable[[], None] | None]
) -> None:
    folder, before = small_disk
    write(folder, {"sqlflow.yml": PROJECT, "blocks/kept.sql": KEPT})
    assert build(folder).returncode == 0
    write(folder, {"blocks/big.sql": f"select hash(range) as h from range({millions * 1_000_000})"})
    done = build(folder, "--vars", "edition=2", before=before)
    if done.returncode == 0:  # so few fit
        assert (millions < 5, crash.seen(folder)["main.kept"]) == (True, [(2,)])
        return
    assert done.returncode == 4
    assert "the disk is full: no space for the database `warehouse.duckdb`, which has grown to " in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert crash.seen(folder) == {"main.kept": [(1,)]}
    write(folder, {"blocks/big.sql": "select 1 as h"})
    assert build(folder, "--vars", "edition=2", before=before).returncode == 0
    assert crash.seen(folder) == {"main.big": [(1,)], "main.kept": [(2,)]}


def test_a_disk_that_is_full_of_what_is_spilled_is_told_and_what_was_spilled_goes(
    tmp_path: Path, small_disk: tuple[Path, Callable[[], None] | None]
) -> None:
    spill, before = small_disk
    folder = tmp_path / "p"
    target = f"targets: {{dev: {{engine: duckdb, memory_limit: 100MB, threads: 1, temp_directory: {spill}}}}}\n"
    big = "select hash(range) as h, range as n from range(20000000) order by h"
    write(folder, {"sqlflow.yml": PROJECT + target, "blocks/kept.sql": KEPT})
    assert build(folder).returncode == 0
    write(folder, {"blocks/big.sql": big})
    done = build(folder, "--vars", "edition=2", before=before)
    assert done.returncode in (1, 4)
    assert "Traceback" not in done.stdout + done.stderr
    assert crash.seen(folder) == {"main.kept": [(1,)]}
    write(folder, {"blocks/big.sql": "select 1 as h"})
    assert build(folder, "--vars", "edition=2").returncode == 0
    assert not any(spill.rglob("duckdb_temp_*"))


def test_out_of_memory_fails_the_block_alone(tmp_path: Path) -> None:
    target = "targets: {dev: {engine: duckdb, memory_limit: 200MB, threads: 1}}\n"
    unspillable = "select string_agg(range::varchar, ',') as s from range(40000000)"
    write(tmp_path, {"sqlflow.yml": PROJECT + target, "blocks/kept.sql": KEPT, "blocks/big.sql": unspillable})
    done = build(tmp_path, "--publish", "passing", "--threads", "1")
    assert done.returncode == 1
    assert "failed to allocate" in done.stdout
    assert crash.seen(tmp_path) == {"main.kept": [(1,)]}


def test_settings_reach_the_engine_and_what_does_not_fit_into_memory_is_spilled_below_the_given_folder(
    tmp_path: Path,
) -> None:
    target = "targets: {dev: {engine: duckdb, memory_limit: 100MB, threads: 1, temp_directory: spill/here}}\n"
    big = "/*---\norder_by: [h]\nassert: [{row_count: {min: 20000000}}]\n---*/\nselect hash(range) as h, range as n from range(20000000)"
    settings = "select current_setting('threads') as threads, current_setting('memory_limit') as memory"
    write(tmp_path, {"sqlflow.yml": PROJECT + target, "blocks/big.sql": big, "blocks/set.sql": settings})
    folders: list[str] = []

    def look(event: events.Event) -> None:
        if isinstance(event, events.BlockBuilt):
            folders.extend(str(path.relative_to(tmp_path)) for path in (tmp_path / "spill").rglob("*.tmp"))

    assert Project.load(tmp_path).build(threads=1, listener=look).ok
    assert crash.seen(tmp_path)["main.set"] == [(1, "95.3 MiB")]
    assert folders
    assert all(folder.startswith("spill/here/warehouse.duckdb-") for folder in folders)


@pytest.mark.parametrize("given", ["", "temp_directory: spill,"])
def test_what_a_killed_build_has_spilled_is_removed_by_the_next_one(given: str, tmp_path: Path) -> None:
    target = f"targets: {{dev: {{engine: duckdb, {given} memory_limit: 100MB, threads: 1}}}}\n"
    big = "select hash(range) as h, range as n from range(50000000) order by h"
    write(tmp_path, {"sqlflow.yml": PROJECT + target, "blocks/big.sql": big})
    with crash.command(tmp_path, "build") as (process, _):
        while not any(tmp_path.rglob("duckdb_temp_*")):
            process.join(0.01)
            assert process.is_alive()
    write(tmp_path, {"blocks/big.sql": "select 1 as h"})
    assert any(tmp_path.rglob("duckdb_temp_*"))
    assert Project.load(tmp_path).build().ok
    assert not any(tmp_path.rglob("duckdb_temp_*"))


def test_a_folder_that_must_not_be_written_is_told(tmp_path: Path) -> None:
    write(tmp_path, {"sqlflow.yml": PROJECT, "blocks/kept.sql": KEPT})
    assert build(tmp_path).returncode == 0
    (tmp_path / "warehouse.duckdb").chmod(0o444)
    tmp_path.chmod(0o555)
    done = build(tmp_path, "--vars", "edition=2", before=_without_rights_of_root)
    tmp_path.chmod(0o755)
    assert (done.returncode, "no permission to write `warehouse.duckdb`" in done.stderr) == (4, True)
    assert crash.seen(tmp_path) == {"main.kept": [(1,)]}


IN_MID_RUN = {
    "the published relation is dropped": ("drop view a", True, ""),
    "the schema of versions is dropped": ("drop schema _sqlflow cascade", False, "does not exist"),
    "a version is dropped": ("drop table _sqlflow.{version}", False, "`main.a`"),
    "a source is dropped": ("drop table ext", False, "no such table, or the like"),
    "a column of a source is dropped": ("alter table ext drop column b", False, "b"),
    "a source gets another type": ("alter table ext alter b type varchar", True, ""),
    "a source is replaced": ("create or replace table ext as select 1 as a, 'x' as b", True, ""),
    "somebody takes the name": (
        "drop view a; create table a as select 'precious' as edition",
        False,
        "not made by sqlflow",
    ),
}


@pytest.mark.parametrize("what", IN_MID_RUN)
def test_what_somebody_does_to_the_target_in_mid_run_is_mended_or_told(what: str, tmp_path: Path) -> None:
    statements, mends, words = IN_MID_RUN[what]
    write(tmp_path, {"sqlflow.yml": PROJECT, "blocks/a.sql": KEPT, "blocks/b.sql": "select edition, b from a, ext"})
    with duckdb.connect(str(tmp_path / "warehouse.duckdb"), config={"storage_compatibility_version": "v1.5.0"}) as base:
        base.execute("create table ext as select 1 as a, 2 as b")
    project = Project.load(tmp_path)
    assert project.build().ok
    project = Project.load(tmp_path, vars={"edition": 2})
    heard: list[events.Event] = []

    def meddle(event: events.Event) -> None:
        heard.append(event)
        if isinstance(event, events.BlockBuilt) and event.block == "main.a":
            connection = project.loaded.target.engine.open(project.loaded.target.settings, tmp_path)
            session = connection.session()
            names = "select table_name from duckdb_tables() where table_name like 'main__a__%' order by table_oid desc"
            version = session.rows(names, 1).rows[0][0]
            for statement in statements.format(version=version).split("; "):
                session.execute(statement)
            connection.close()

    try:
        report = project.build(threads=1, listener=meddle)
        told = "\n".join(
            [*map(str, report.problems), *(str(problem) for failed in report.failed() for problem in failed.problems)]
        )
        ended_well = report.ok
    except SqlflowError as error:
        told, ended_well = str(error), False
    assert ended_well == mends, told
    assert (words in told) or "not exist" in told
    if "precious" in statements:
        assert crash.seen(tmp_path)["main.a"] == [("precious",)]
    elif not mends and "_sqlflow" not in statements:
        assert crash.seen(tmp_path)["main.a"] == [(1,)]


def broken(data: bytes, chance: random.Random) -> bytes:
    """Return the bytes of a file with one bit changed, or cut off, or with a page of noise."""
    place = chance.randrange(len(data))
    match chance.randrange(4):
        case 0:
            return data[:place]
        case 1:
            return data[:place] + chance.randbytes(4096) + data[place + 4096 :]
        case _:
            return data[:place] + bytes([data[place] ^ 1 << chance.randrange(8)]) + data[place + 1 :]


@pytest.mark.parametrize("part", range(2))
def test_a_damaged_database_is_told_or_gives_the_right_rows(part: int, tmp_path: Path) -> None:
    write(
        tmp_path / "p",
        {"sqlflow.yml": PROJECT, "blocks/a.sql": KEPT, "blocks/b.sql": "select edition, range as n from a, range(9)"},
    )
    assert Project.load(tmp_path / "p").build().ok
    whole, chance, faults = (tmp_path / "p/warehouse.duckdb").read_bytes(), random.Random(part), []
    for number in range(times(50, 1000)):
        (tmp_path / "p/warehouse.duckdb").write_bytes(broken(whole, chance))
        (tmp_path / "p/warehouse.duckdb.wal").unlink(missing_ok=True)
        for words in (("plan",), ("build", "--vars", "edition=2"), ("show", "b", "--output", "json")):
            with crash.command(tmp_path / "p", *words) as (process, lines):
                said = lines.read()
                process.join(30)
            if process.exitcode not in (0, 1, 4, 5) or "Traceback" in said or "internal error" in said:
                faults.append(f"{number}: {words} exit {process.exitcode}: {said[-600:]}")
    assert not faults, "\n".join(faults)
