"""What is kept of the last load is never wrong: whatever reading depends on is changed, one thing after the other."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from support import write

from sqlflow import Project
from sqlflow.core import block as nouns
from sqlflow.core.text import SourceFile
from sqlflow.read import cache as kept_blocks
from sqlflow.read.blocks import sql_block
from sqlflow.read.cache import LoadCache
from sqlflow.read.cached_blocks import without_nodes
from sqlflow.read.contents import Contents
from sqlflow.read.project import load
from sqlflow.run.kept import CACHE_FILE, CONTENTS_FILE
from sqlflow_duckdb.engine import DuckDBEngine

FILES = {
    "sqlflow.yml": "name: p\nvars: {limit: 3}\nenv: [MARK]\ndefaults:\n  blocks/marts: {tags: [daily]}\n  blocks/late: {when: \"{{ var('limit') < 9 }}\"}\n"
    "targets:\n  dev: {engine: duckdb, path: a.duckdb}\n  other: {engine: duckdb, path: b.duckdb, schema: base}\n  away: {engine: duckdb, path: c.duckdb}\ntarget: dev\n",
    "macros/money.sql": "{% macro cents(c) %}round({{ c }} * 100){% endmacro %}\n"
    "{% macro positive(column) %}select * from {{ this }} where {{ column }} < 0{% endmacro %}\n",
    "snippets/where.sql": "where id < 9",
    "blocks/staging/a.sql": "/*---\nassert: [{unique: id}, id >= 0]\n---*/\n-- first\nselect range as id from range(5)",
    "blocks/staging/checked.sql": "/*---\nassert: [{positive: {column: id}}]\n---*/\nselect 1 as id",
    "blocks/staging/templated.sql": "select {{ cents('id') }} as c from a limit {{ var('limit') }}",
    "blocks/staging/on_target.sql": "select '{{ target.name }}' as t",
    "blocks/staging/env.sql": "select '{{ env('MARK') }}' as m",
    "blocks/staging/including.sql": "select * from a {% include 'snippets/where.sql' %}",
    "blocks/staging/including_too.sql": "select * from a {%+ include 'snippets/where.sql' %}",
    "blocks/marts/b.sql": "/*---\nmaterialize: view\ncolumns: {id: {description: x, assert: [unique]}}\n---*/\nselect id from staging.a",
    "blocks/marts/off.sql": "/*---\nenabled: false\n---*/\nselect 1 as id",
    "blocks/flow/when.sql": "/*---\nwhen: \"{{ var('limit') == 3 }}\"\n---*/\nselect 1 as id",
    "blocks/flow/asked.sql": "/*---\nwhen: select count(*) > 0 from staging.a\nwait_for:\n  - {query: select true, every: 5s}\n  - file: done.txt\n"
    "  - {time: '06:30', timezone: Europe/Berlin}\n---*/\nselect 1 as id",
    "blocks/flow/after.sql": "/*---\non_success: [insert into log select 1 from flow.after, select 2]\non_failure: select {{ var('limit') }}\n---*/\nselect 1 as id",
    "blocks/flow/exported.sql": '/*---\nexport:\n  - "exports/{{ target.name }}.csv"\n  - {path: exports/x.txt, format: csv, delimiter: ";"}\n'
    "  - {target: away, table: \"out.t{{ var('limit') }}\", mode: upsert, key: [id]}\n  - target: away\n---*/\nselect 1 as id",
    "blocks/flow/env.sql": "/*---\nexport: \"exports/{{ env('MARK') }}.csv\"\n---*/\nselect 1 as id",
    "blocks/late/defaulted.sql": "select 1 as id",
    "blocks/top.sql": "select count(*) as n from marts.b",
    "blocks/away/n.sql": "/*---\ntarget: away\nwhen: \"{{ var('limit') < 9 }}\"\n---*/\nselect {{ var('limit') }} as n, '{{ this }}' as t",
    "blocks/away/instances.yml": "- {use: staging.templated, with: {limit: 7}, as: staging.seven, description: seven}\n"
    "- {use: away.n, with: {limit: 8}, as: away.eight}\n- {use: flow.when, with: {limit: 4}, as: flow.never}\n"
    "- {use: staging.env, as: staging.env_again}\n- {use: staging.checked, as: staging.checked_again}\n",
}


def plain(project: nouns.Project) -> object:
    """Return a project as it can be compared: what has become assertions is not there a second time."""
    blocks = {name: replace(block, config=without_nodes(block.config)) for name, block in project.blocks.items()}
    return blocks, project.assertions, project.disabled, project.secrets, project.warnings, project.skipped


def reloaded(root: Path, target: str | None = None, **environment: str) -> None:
    """Load with what was kept and without it, and compare; twice, since the first load keeps what it has read."""
    known = {"MARK": "first", **environment}
    for _ in range(2):
        kept = LoadCache.decoded((root / "kept.bin").read_bytes()) if (root / "kept.bin").exists() else LoadCache()
        found = load(root, target, environment=known, cache=kept)
        assert plain(found) == plain(load(root, target, environment=known))
        (root / "kept.bin").write_bytes(kept.encoded())


@pytest.fixture(autouse=True)
def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let files be read long after they were changed: what has just been changed is not kept."""
    now = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: now() + 10_000_000_000)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project that has been loaded before."""
    reloaded(write(tmp_path, FILES))
    return tmp_path


def edit(path: str, old: str, new: str) -> Callable[[Path], None]:
    def change(root: Path) -> None:
        file = root / path
        assert old in file.read_text()
        file.write_text(file.read_text().replace(old, new))

    return change


@pytest.mark.parametrize(
    "change",
    [
        edit("blocks/staging/a.sql", "range(5)", "range(6)"),
        edit("blocks/staging/a.sql", "-- first", "-- other"),
        edit("blocks/staging/a.sql", "id >= 0", "id > -1"),
        edit("macros/money.sql", "100", "1000"),
        edit("macros/money.sql", "< 0", "< 1"),
        edit("macros/money.sql", "{% macro cents", "{% macro id() %}1{% endmacro %}{% macro cents"),
        edit("macros/money.sql", "{% macro cents", "{% if var('limit') > 3 %}{% macro id() %}1{% endmacro %}{% endif %}{% macro cents"),
        edit("snippets/where.sql", "9", "8"),
        edit("sqlflow.yml", "limit: 3", "limit: 4"),
        edit("sqlflow.yml", "limit: 3", "limit: 9"),
        edit("sqlflow.yml", "daily", "weekly"),
        edit("sqlflow.yml", "< 9", "< 2"),
        edit("blocks/flow/when.sql", "== 3", "== 4"),
        edit("blocks/flow/asked.sql", "> 0", "> 1"),
        edit("blocks/flow/asked.sql", "select true", "select false"),
        edit("blocks/flow/asked.sql", "every: 5s", "every: 6s"),
        edit("blocks/flow/asked.sql", "done.txt", "done.csv"),
        edit("blocks/flow/asked.sql", "06:30", "06:31"),
        edit("blocks/flow/asked.sql", "Berlin", "Paris"),
        edit("blocks/flow/after.sql", "insert into log", "insert into other"),
        edit("blocks/flow/after.sql", "select {{", "select 1 + {{"),
        edit("blocks/flow/exported.sql", "x.txt", "y.txt"),
        edit("blocks/flow/exported.sql", "format: csv", "format: json"),
        edit("blocks/flow/exported.sql", 'delimiter: ";"', 'delimiter: "|"'),
        edit("blocks/flow/exported.sql", "out.t", "in.t"),
        edit("blocks/flow/exported.sql", "mode: upsert, key: [id]", "mode: append"),
        edit("blocks/flow/exported.sql", "key: [id]", "key: [id, id2]"),
        edit("blocks/flow/exported.sql", "target: away, table", "target: other, table"),
        edit("sqlflow.yml", "target: dev", "target: other"),
        edit("blocks/marts/off.sql", "enabled: false", "enabled: true"),
        edit("blocks/marts/b.sql", "materialize: view", "materialize: table"),
        edit("blocks/away/instances.yml", "limit: 7", "limit: 6"),
        edit("blocks/away/instances.yml", "limit: 7", "limit: '7'"),
        edit("blocks/away/instances.yml", "limit: 8", "limit: 10"),
        edit("blocks/away/instances.yml", "limit: 4", "limit: 3"),
        edit("blocks/away/instances.yml", "as: away.eight", "as: away.acht"),
        edit("blocks/away/instances.yml", "use: away.n, with", "use: flow.when, with"),
        edit("blocks/away/instances.yml", "description: seven", "description: sieben"),
        edit("blocks/away/instances.yml", "- {use: away.n", "# one line more\n- {use: away.n"),
        edit("blocks/away/n.sql", "as n", "as m"),
        edit("blocks/away/n.sql", "< 9", "< 8"),
        edit("blocks/away/n.sql", "target: away", "target: other"),
        edit("blocks/away/n.sql", "---*/\n", "---*/\n-- first\n"),
        edit("blocks/staging/templated.sql", "var('limit')", "var('limit') + 1"),
        edit("sqlflow.yml", "path: c.duckdb", "path: c.duckdb, schema: base"),
        lambda root: (root / "blocks/away/instances.yml").unlink(),
        lambda root: (root / "blocks/top.sql").unlink(),
        lambda root: (root / "blocks/top.sql").rename(root / "blocks/other.sql"),
        lambda root: os.utime(root / "blocks/top.sql"),
    ],
)  # fmt: skip
def test_a_load_is_the_same_with_what_was_kept_and_without(root: Path, change: Callable[[Path], None]) -> None:
    change(root)
    reloaded(root)


def test_a_value_of_the_environment_counts(root: Path) -> None:
    reloaded(root, MARK="second")


def test_another_target_counts(root: Path) -> None:
    reloaded(root, "other")


def test_nothing_is_read_again_where_nothing_has_changed(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = LoadCache.decoded((root / "kept.bin").read_bytes())
    read: list[str] = []

    def noted(source: SourceFile, *rest: Any) -> Any:
        read.append(source.path)
        return sql_block(source, *rest)

    monkeypatch.setattr("sqlflow.read.project.sql_block", noted)
    load(root, environment={"MARK": "first"}, cache=kept)
    unkept = ("flow/env", "late/defaulted", "staging/env", "staging/env", "staging/including", "staging/including_too")
    assert sorted(read) == [
        f"blocks/{name}.sql" for name in unkept
    ]  # one is an instance, which reads the environment, too


def test_the_names_of_macros_are_kept_with_all_that_they_depend_on(tmp_path: Path) -> None:
    both = "{% macro a() %}1{% endmacro %}{% if var('more', 0) or env('MORE', '') %}{% macro b() %}1{% endmacro %}{% endif %}"
    write(tmp_path, {"sqlflow.yml": "name: p\nenv: [MORE]\n", "macros/m.sql": both, "blocks/a.sql": "select 1 as id"})
    kept = LoadCache()

    def names(**given: Any) -> tuple[str, ...]:
        nonlocal kept
        kept = LoadCache.decoded(kept.encoded())
        load(tmp_path, cache=kept, **given)
        return kept.macros[1]

    assert names(environment={}) == ("a",)
    assert names(environment={}) == ("a",)
    assert names(environment={"MORE": "1"}) == ("a", "b")
    assert names(environment={}, variables={"more": 1}) == ("a", "b")
    write(tmp_path, {"macros/m.sql": both.replace("a()", "c()")})
    assert names(environment={}) == ("c",)


def test_the_names_of_macros_that_come_from_other_files_are_read_each_time(tmp_path: Path) -> None:
    write(
        tmp_path,
        {"sqlflow.yml": "name: p\n", "macros/m.sql": "{% from 'x.sql' import a %}", "blocks/a.sql": "select 1 as id"},
    )
    write(tmp_path, {"x.sql": "{% macro a() %}1{% endmacro %}"})
    kept = LoadCache()
    load(tmp_path, cache=kept)
    assert kept.macros == (b"", ())


def test_jinja_is_not_imported_where_nothing_has_changed(root: Path) -> None:
    write(
        root,
        {path: "select 1 as id" for path in FILES if path.endswith(("env.sql", "including.sql", "including_too.sql"))},
    )
    edit("sqlflow.yml", "{when: \"{{ var('limit') < 9 }}\"}", "{tags: [late]}")(root)
    reloaded(root)
    script = (
        "import pathlib, sys; from sqlflow.read.project import load; from sqlflow.read.cache import LoadCache;"
        "load(pathlib.Path('.'), environment={'MARK': 'first'}, cache=LoadCache.decoded(pathlib.Path('kept.bin').read_bytes()));"
        "sys.exit('jinja2' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], cwd=root, check=False).returncode == 0


def test_a_file_that_was_changed_just_now_is_not_kept(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changed = (root / "blocks/top.sql").stat().st_ctime_ns
    monkeypatch.setattr(time, "time_ns", lambda: changed + 1_000_000)
    kept = LoadCache()
    load(root, environment={"MARK": "first"}, cache=kept)
    assert "blocks/top.sql" not in kept.new


@pytest.mark.parametrize("at", [0, 3, 16, 40, 200, -1])
def test_a_damaged_file_counts_as_none(root: Path, at: int) -> None:
    data = bytearray((root / "kept.bin").read_bytes())
    data[at] ^= 1
    assert LoadCache.decoded(bytes(data)).old == {}
    assert LoadCache.decoded(bytes(data[: len(data) // 2])).old == {}
    assert LoadCache.decoded(b"").old == {}


def test_no_value_of_the_environment_is_kept(root: Path) -> None:
    write(root, {"sqlflow.yml": FILES["sqlflow.yml"].replace("limit: 3", "limit: 3, key: \"{{ env('KEY') }}\"")})
    write(root, {"blocks/staging/keyed.sql": "select '{{ var('key') }}' as k"})
    reloaded(root, MARK="canary-one", KEY="canary-two")
    assert b"canary" not in (root / "kept.bin").read_bytes()


def test_building_keeps_what_was_loaded_and_loading_alone_makes_no_folder(tmp_path: Path) -> None:
    write(tmp_path, {"blocks/a.sql": "select 1 as id", "sqlflow.yml": "name: p\n"})
    Project.load(tmp_path).plan(offline=True)
    assert not (tmp_path / ".sqlflow").exists()
    assert Project.load(tmp_path).build().ok
    assert (tmp_path / CACHE_FILE).exists()
    assert (tmp_path / ".sqlflow/.gitignore").read_text() == "*\n"


def test_a_file_is_hashed_again_only_if_it_was_touched(tmp_path: Path) -> None:
    file = write(tmp_path, {"a.csv": "id\n1\n"}) / "a.csv"
    first = Contents()
    content = first.of(file)
    kept = Contents.decoded(first.encoded())
    assert kept.old == first.new != {}
    told = Contents({path: (*known[:2], b"as it was kept") for path, known in kept.old.items()})
    assert told.of(file) == b"as it was kept"
    assert not told.is_changed
    os.utime(file)
    assert told.of(file) == content


@pytest.mark.parametrize("text", ["id\n2\n", "id\n1\n2\n", ""])
def test_a_file_that_holds_something_else_has_another_hash(text: str, tmp_path: Path) -> None:
    file = write(tmp_path, {"a.csv": "id\n1\n"}) / "a.csv"
    status, first = file.stat(), Contents()
    before = first.of(file)
    file.write_text(text)
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))  # nothing but the time of change tells of it
    assert Contents(first.new).of(file) != before


def test_a_file_that_has_just_been_changed_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(tmp_path, {"a.csv": "id\n1\n"}) / "a.csv"
    changed = file.stat().st_ctime_ns
    monkeypatch.setattr(time, "time_ns", lambda: changed)
    contents = Contents()
    contents.of(file)
    assert not contents.new


@pytest.mark.parametrize("data", [b"", b"short", b"x" * 100])
def test_damaged_hashes_count_as_none(data: bytes) -> None:
    assert not Contents.decoded(data).old
    good = Contents(new={"a": (1, 2, b"3")}).encoded()
    assert Contents.decoded(good).old == {"a": (1, 2, b"3")}
    assert not Contents.decoded(good[:-1] + b"!").old


def test_a_build_keeps_the_hashes_of_the_files_that_it_read(tmp_path: Path) -> None:
    write(tmp_path, {"sqlflow.yml": "name: p\n", "seeds/raw/s.csv": "id\n1\n", "blocks/a.sql": "select * from raw.s"})
    assert Project.load(tmp_path).build().ok
    (tmp_path / "seeds/raw/s.csv").write_text("id\n2\n")
    assert Project.load(tmp_path).build().ok
    assert [tuple(row) for row in Project.load(tmp_path).shown("a").rows] == [(2,)]
    assert list(Contents.decoded((tmp_path / CONTENTS_FILE).read_bytes()).old) == [str(tmp_path / "seeds/raw/s.csv")]


@pytest.fixture
def asked(root: Path, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Return the functions that DuckDB is asked for in a process that begins now. What was kept before it knows `round`."""
    found: set[str] = set()

    def stability(engine: DuckDBEngine, function: str) -> str:
        found.add(function)
        return "stable"

    monkeypatch.setattr(DuckDBEngine, "stability", stability)

    def forget() -> None:
        monkeypatch.setattr("sqlflow.read.stability._SAID", {})
        monkeypatch.setattr("sqlflow.read.tokens._told", cache(lambda engine: {}))

    forget()
    (root / "kept.bin").unlink()
    reloaded(root)
    assert "round" in found
    forget()
    found.clear()
    return found


def test_what_the_engine_says_of_its_functions_is_kept(root: Path, asked: set[str]) -> None:
    learnt = LoadCache.decoded((root / "kept.bin").read_bytes())
    edit("blocks/top.sql", "count(*)", "sum(abs(id))")(root)
    load(root, environment={"MARK": "first"}, cache=learnt)
    assert asked == {"sum", "abs"}


@pytest.mark.parametrize("other", [(DuckDBEngine, "version", "0.0"), (kept_blocks, "_program", ("0.0",))])
def test_another_engine_or_program_is_asked_again(
    root: Path, asked: set[str], other: tuple[Any, str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(other[0], other[1], lambda *given: other[2])
    load(root, environment={"MARK": "first"}, cache=LoadCache.decoded((root / "kept.bin").read_bytes()))
    assert "round" in asked
