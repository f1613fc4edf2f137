"""A build that has nothing to do goes by the stamps of files: whatever could make another of it shows in them."""

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import duckdb
import pytest
from support import write
from test_cases import called

from sqlflow import Project
from sqlflow.core import events
from sqlflow.read import stamps
from sqlflow.run import settled

TARGET = "targets: {dev: {engine: duckdb, path: warehouse.duckdb}}\n"
FILES = {
    "sqlflow.yml": f"name: p\nvars: {{low: 1}}\n{TARGET}sources: {{raw: {{orders: {{files: 'data/*.csv'}}}}}}\n",
    "data/one.csv": "id\n1\n",
    "data/notes.txt": "not read\n",
    "seeds/raw/s.csv": "id\n1\n2\n",
    "macros/m.sql": "{% macro twice(x) %}({{ x }} * 2){% endmacro %}",
    "blocks/a.sql": "/*---\nassert: [{unique: id}]\n---*/\nselect id from raw.s union select id from raw.orders",
    "blocks/b.sql": "select {{ twice('count(*)') }} as n, {{ var('low') }} as low from a",
    "blocks/e.sql": "/*---\nmaterialize: ephemeral\n---*/\nselect id from a",
    "blocks/v.sql": "/*---\nmaterialize: view\n---*/\nselect id from e",
    "assertions/few.sql": "select * from b where n > 10",
    "unit_tests/a.yml": "only:\n  block: a\n  given: {raw.s: [{id: 1}], raw.orders: []}\n  expect: [{id: 1}]\n",
    ".env": "nothing=1\n",
}
BUILDS = 60
"""How many builds with nothing to do it may take until the last change is so long ago that another one is sure to show."""


def built(root: Path, *options: object) -> None:
    """Build as the command does, and keep what it keeps."""
    seen = settled.look(root, options)
    project = Project.load(root)
    report = project.build()
    assert report.ok
    settled.keep(seen, project.graph, report)


def is_settled(root: Path, *options: object) -> bool:
    return settled.look(root, options).found is not None


def settle(root: Path, *options: object) -> bool:
    """Build until that is kept; tell whether it was."""
    for _ in range(BUILDS):
        built(root, *options)
        if is_settled(root, *options):
            return True
    return False


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write(tmp_path / "project", FILES)


def run_in_target(root: Path, statement: str) -> None:
    with duckdb.connect(str(root / "warehouse.duckdb")) as connection:
        connection.execute(statement)


def with_the_same_time(path: str, text: str) -> Callable[[Path], None]:
    """Return what writes a text of the same length, and gives the file back its time of modification."""

    def change(root: Path) -> None:
        file = root / path
        before = file.stat()
        assert len(text) == before.st_size
        file.write_text(text)
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))

    return change


def linked(root: Path) -> None:
    (root / "more").symlink_to(root / "data", target_is_directory=True)


CHANGES: Mapping[str, Callable[[Path], Any]] = {
    "a block is edited": lambda root: write(root, {"blocks/a.sql": "select 1 as id"}),
    "a block is added": lambda root: write(root, {"blocks/deep/er/c.sql": "select 1 as id"}),
    "a block is removed": lambda root: (root / "blocks/v.sql").unlink(),
    "a block is renamed": lambda root: (root / "blocks/v.sql").rename(root / "blocks/w.sql"),
    "an edit keeps size and time": with_the_same_time("data/one.csv", "id\n2\n"),
    "the project file is edited": lambda root: write(root, {"sqlflow.yml": FILES["sqlflow.yml"] + "keep: 1d\n"}),
    "a macro is edited": lambda root: write(root, {"macros/m.sql": FILES["macros/m.sql"].replace("2", "3")}),
    "a seed is edited": lambda root: write(root, {"seeds/raw/s.csv": "id\n3\n"}),
    "a file of data is added": lambda root: write(root, {"data/two.csv": "id\n3\n"}),
    "a file of data is removed": lambda root: (root / "data/one.csv").unlink(),
    "a hidden file of data is added": lambda root: write(root, {"data/.two.csv": "id\n3\n"}),
    "an assertion is edited": lambda root: write(root, {"assertions/few.sql": "select * from b where n > 11"}),
    "a unit test is edited": lambda root: write(root, {"unit_tests/a.yml": FILES["unit_tests/a.yml"] + "# more\n"}),
    "a pipeline is added": lambda root: write(root, {"pipelines/p.yml": "select: [a]\n"}),
    "folder defaults are added": lambda root: write(root, {"blocks/defaults.yml": "materialize: view\n"}),
    "an .env is edited": lambda root: write(root, {".env": "nothing=2\n"}),
    "rights of a file are changed": lambda root: (root / "blocks/a.sql").chmod(0o400),
    "a folder is linked": linked,
    "somebody writes into the target": lambda root: run_in_target(root, "create table mine as select 1 as id"),
    "somebody drops what is shown": lambda root: run_in_target(root, "drop view main.b"),
    "the target is gone": lambda root: (root / "warehouse.duckdb").unlink(),
    "what is in the log is not in the target": lambda root: write(root, {"warehouse.duckdb.wal": ""}),
    "what was kept is damaged": lambda root: (root / settled.FILE).write_bytes((root / settled.FILE).read_bytes()[:-1] + b"\0"),
    "what was kept is empty": lambda root: (root / settled.FILE).write_bytes(b""),
    "what was kept is gone": lambda root: (root / settled.FILE).unlink(),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_what_a_build_goes_by_is_seen(root: Path, change: str) -> None:
    assert settle(root)
    CHANGES[change](root)
    assert not is_settled(root)


def test_a_variable_of_the_environment_is_seen_but_those_of_the_shell_are_not(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OLDPWD", "/somewhere")
    monkeypatch.setenv("SHLVL", "99")
    assert settle(root)
    monkeypatch.setenv("OLDPWD", "/elsewhere")
    assert is_settled(root) or settle(root)
    monkeypatch.setenv("SQLFLOW_ANYTHING", "1")
    assert not is_settled(root)


def test_another_python_or_other_packages_are_seen(root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert settle(root)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "path", [*sys.path, str(tmp_path / "more")])
        assert not is_settled(root)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "version", "4.0")
        assert not is_settled(root)


def test_what_was_kept_long_ago_is_looked_at_again(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert settle(root)
    monkeypatch.setattr(settled, "_HOLDS_SECONDS", 0.0)
    assert not is_settled(root)


def test_files_are_looked_at_only_where_a_build_had_nothing_to_do_and_went_by_them(root: Path) -> None:
    assert settled.look(root, ()).stamp is None
    built(root)
    assert settled.look(root, ()).stamp is None
    built(root)
    assert (root / settled.FILE).exists()
    assert settle(root)
    write(root, {"blocks/t.sql": "/*---\nrefresh: never\n---*/\nselect 1 as one"})
    built(root)
    built(root)
    assert not (root / settled.FILE).exists()


def test_other_options_are_seen(root: Path) -> None:
    assert settle(root)
    assert not is_settled(root, "dev")


def test_what_changed_just_now_is_not_kept(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert settle(root)
    monkeypatch.setattr(stamps, "_CLOCK_STEP", 10**12)
    monkeypatch.setattr(stamps, "_COARSE_STEP", 10**12)
    assert settled.look(root, ()).stamp is None


def test_a_change_between_the_look_and_the_end_of_a_build_is_not_kept(root: Path) -> None:
    assert settle(root)
    seen = settled.look(root, ())
    project = Project.load(root)
    report = project.build()
    write(root, {"blocks/a.sql": "select 1 as id"})
    settled.keep(seen, project.graph, report)
    assert not is_settled(root)


def test_it_is_told_as_by_a_build_that_looks_at_everything(root: Path) -> None:
    def without_time(found: list[events.Event]) -> list[dict[str, Any]]:
        return [
            {name: value for name, value in shown(event).items() if name not in ("run", "seconds")} for event in found
        ]

    def shown(event: events.Event) -> dict[str, Any]:
        return {"event": type(event).__name__} | {name: getattr(event, name) for name in event.__struct_fields__}

    assert settle(root)
    heard: list[events.Event] = []
    again: list[events.Event] = []
    whole = Project.load(root).build(listener=heard.append)
    kept = settled.look(root, ()).found
    assert kept is not None
    report = kept.report(again.append)
    assert without_time(heard) == without_time(again)
    assert [*report.blocks] == [*whole.blocks]
    assert (report.status, report.target, report.exit_code) == (whole.status, whole.target, whole.exit_code)


@pytest.mark.parametrize("output", ["text", "json", "jsonl"])
def test_the_command_prints_the_same(root: Path, monkeypatch: pytest.MonkeyPatch, output: str) -> None:
    monkeypatch.chdir(root)
    looks: list[bool] = []
    real = settled.look

    def look(*arguments: Any) -> settled.Look:
        found = real(*arguments)
        looks.append(found.found is not None)
        return found

    monkeypatch.setattr(settled, "look", look)
    printed = []
    while True not in looks:
        assert len(looks) < BUILDS
        code, text = called(f"build --output {output}")
        assert code == 0
        printed.append(len(text.splitlines()))
    assert printed[-1] == printed[-2]
    write(root, {"blocks/b.sql": "select 5 as n"})
    assert "main.b" in called("build --output jsonl")[1]


OTHER_PLACES = {
    "a source that is a table": ({"sqlflow.yml": "name: p\nsources: {raw: {t: {version: select 1}}}\n", "blocks/a.sql": "select 1 as one from raw.t"},
                                 "create schema raw; create table raw.t as select 1 as id"),
    "a file above": ({"sqlflow.yml": "name: p\n", "blocks/a.sql": "select * from read_csv('../above.csv')"}, ""),
    "a file below any folder": ({"sqlflow.yml": "name: p\n", "blocks/a.sql": "select * from read_csv('*/one.csv')"}, ""),
    "a file in a hidden folder": ({"sqlflow.yml": "name: p\n", "blocks/a.sql": "select * from read_csv('.hidden/one.csv')"}, ""),
    "a whole path": ({"sqlflow.yml": "name: p\n", "blocks/a.sql": "select * from read_csv('HERE/data/one.csv')"}, ""),
    "now and then": ({"sqlflow.yml": "name: p\n", "blocks/a.sql": "/*---\nrefresh: daily\n---*/\nselect now() as now"}, ""),
    "a function": ({"sqlflow.yml": "name: p\n", "blocks/a.py": "import pandas as pd\nfrom sqlflow import block\n\n@block\ndef a():\n    return pd.DataFrame({'a': [1]})\n"}, ""),
    "a copy": ({"sqlflow.yml": "name: p\ntargets: {dev: {engine: duckdb, path: w.duckdb, publish_copy: c.duckdb}}\n", "blocks/a.sql": "select 1 as one"}, ""),
    "settings": ({"sqlflow.yml": "name: p\ntargets: {dev: {engine: duckdb, path: w.duckdb, settings: {file_search_path: HERE/data}}}\n",
                  "blocks/a.sql": "select * from read_csv('one.csv')"}, ""),
    "what the shell sets": ({"sqlflow.yml": "name: p\nenv: [OLDPWD]\n", "blocks/a.sql": "select '{{ env('OLDPWD', '') }}' as a"}, ""),
    "a block of time ranges": ({"sqlflow.yml": "name: p\n", "blocks/a.sql": "/*---\nmaterialize: incremental\nstrategy: time_range\ntime_column: day\n"
                                "interval: day\nstart: 2026-01-01\nend: 2026-01-02\n---*/\nselect day from (select date '2026-01-01' as day) where day >= '{{ start }}' and day < '{{ end }}'"}, ""),
    "a condition": ({"sqlflow.yml": "name: p\n", "blocks/a.sql": "/*---\nwhen: select true\n---*/\nselect 1 as one"}, ""),
    "an included file": ({"sqlflow.yml": "name: p\n", "blocks/a.sql": "select 1 as one {% include 'x.sql' %}", "x.sql": ", 2 as two"}, ""),
}  # fmt: skip


@pytest.mark.parametrize("place", OTHER_PLACES)
def test_where_more_counts_than_files_of_the_project_nothing_is_kept(tmp_path: Path, place: str) -> None:
    files, statements = OTHER_PLACES[place]
    files = {path: text.replace("HERE", str(tmp_path / "project")) for path, text in files.items()}
    data = {"data/one.csv": "id\n1\n", ".hidden/one.csv": "id\n1\n", "../above.csv": "id\n1\n"}
    root = write(tmp_path / "project", {**data, **files})
    for statement in filter(None, statements.split(";")):
        run_in_target(root, statement)
    for _ in range(4):
        built(root)
        assert not is_settled(root)
    assert not (root / settled.FILE).exists()
