"""A build that has nothing to do writes nothing; whatever there is to do is done, one thing after the other."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import crash
import pytest
from support import write

from sqlflow import Project
from sqlflow.core import events
from sqlflow.plan.recipes import Entries
from sqlflow.run import idle, several

FILES = {
    "sqlflow.yml": "name: p\nkeep: 2d\n",
    "seeds/raw/s.csv": "id\n1\n2\n",
    "blocks/a.sql": "/*---\ndescription: All of it.\nassert: [{unique: id}]\n---*/\nselect id from raw.s",
    "blocks/b.sql": "select count(*) as n from a",
    "blocks/e.sql": "/*---\nmaterialize: ephemeral\n---*/\nselect id from a",
    "blocks/v.sql": "/*---\nmaterialize: view\n---*/\nselect id from e",
    "assertions/few.sql": "select * from b where n > 10",
}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(write(tmp_path, FILES))
    assert Project.load().build().ok
    return tmp_path


def told_idle(monkeypatch: pytest.MonkeyPatch, **options: Any) -> bool:
    """Build, and tell whether that was found to have nothing to do."""
    said: list[bool] = []
    real = idle.is_idle

    def noted(*arguments: Any) -> bool:
        said.append(real(*arguments))
        return said[-1]

    monkeypatch.setattr("sqlflow.run.several.is_idle", noted)
    assert Project.load().build(**options).ok
    monkeypatch.undo()
    return said == [True]


def test_how_versions_were_made_is_not_asked_for_where_nothing_is_to_be_done(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Entries, "every", property(lambda entries: pytest.fail("it was asked for")))
    assert told_idle(monkeypatch)


def run_in_target(root: Path, *statements: str) -> None:
    project = Project.load(root).loaded
    connection = project.target.engine.open(project.target.settings, project.root)
    for statement in statements:
        connection.session().execute(statement)
    connection.close()


def test_nothing_to_do_writes_nothing_and_is_told_as_ever(root: Path) -> None:
    seen: list[events.Event] = []
    before = {file: file.read_bytes() for file in root.iterdir() if file.is_file()}
    report = Project.load().build(listener=seen.append)
    assert {file: file.read_bytes() for file in root.iterdir() if file.is_file()} == before
    assert report.status == "succeeded"
    assert {(str(result.block), result.status) for result in report.blocks} == {
        ("raw.s", "reused"), ("main.a", "reused"), ("main.b", "reused"), ("main.v", "reused")
    }  # fmt: skip
    assert [type(event) for event in seen] == [events.RunStarted, *[events.BlockReused] * 4, events.RunFinished]


def edit(path: str, old: str, new: str) -> Callable[[Path], None]:
    def change(root: Path) -> None:
        text = (root / path).read_text()
        assert old in text
        write(root, {path: text.replace(old, new)})

    return change


OLD_RUN = (
    "insert into _sqlflow.sqlflow_runs select '20200101T000000000', environment, 0, project,"
    " published_at - interval 9 day from _sqlflow.sqlflow_runs"
)


def sql(*statements: str) -> Callable[[Path], None]:
    return lambda root: run_in_target(root, *statements)


@pytest.mark.parametrize(
    "change",
    [
        edit("blocks/a.sql", "select id", "select id + 1 as id"),
        edit("blocks/a.sql", "All of it.", "All."),
        edit("blocks/a.sql", "unique", "not_null"),
        edit("blocks/e.sql", "select id", "select id + 1 as id"),
        edit("assertions/few.sql", "10", "11"),
        edit("seeds/raw/s.csv", "2", "3"),
        lambda root: write(root, {"blocks/new.sql": "select 1 as id"}),
        lambda root: (root / "blocks/b.sql").rename(root / "blocks/c.sql") and (root / "assertions/few.sql").unlink(),
        sql("drop view main.b"),
        sql("drop view main.b", "create table main.other as select 1 as id"),
        sql("delete from _sqlflow.sqlflow_checked"),
        sql("update _sqlflow.sqlflow_checked set run = '2020' || run"),
        sql("update _sqlflow.sqlflow_leases set run = 'killed', host = 'elsewhere', since = now()::timestamp"),
        sql("update _sqlflow.sqlflow_state set form = 4"),
        sql("create table _sqlflow.left_by_somebody as select 1 as id"),
        sql(
            "insert into _sqlflow.sqlflow_recipes select relation, block, key, code, recipe, run, built_at - interval 9 day"
            " from _sqlflow.sqlflow_recipes"
        ),
        sql(
            "update _sqlflow.sqlflow_runs set published_at = published_at - interval 9 day",
            "insert into _sqlflow.sqlflow_replaced select 'prod', run, 'main', 'a', '', '' from _sqlflow.sqlflow_runs",
        ),
        sql(OLD_RUN),
    ],
)  # fmt: skip
def test_whatever_there_is_to_do_is_done_and_then_there_is_nothing(
    root: Path, change: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    change(root)
    assert not told_idle(monkeypatch)
    monkeypatch.chdir(root)
    if told_idle(monkeypatch):
        return
    monkeypatch.chdir(root)  # what had passed too long ago was forgotten, and has run again
    assert told_idle(monkeypatch)


def test_of_the_runs_that_published_longer_ago_than_is_kept_the_latest_is_remembered(root: Path) -> None:
    run_in_target(root, OLD_RUN, "update _sqlflow.sqlflow_runs set published_at = published_at - interval 9 day")
    assert Project.load(root).build().ok
    with crash.opened(root) as rows:
        assert rows("select sequence from _sqlflow.sqlflow_runs") == [(1,)]


@pytest.mark.parametrize("options", [{"full_refresh": True}, {"adopt": True}])
def test_what_was_asked_for_is_done(root: Path, options: dict[str, bool], monkeypatch: pytest.MonkeyPatch) -> None:
    assert not told_idle(monkeypatch, **options)


def test_a_relation_that_is_to_be_dropped_is_something_to_do(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "blocks/v.sql").unlink()
    assert not told_idle(monkeypatch, prune=True)


def test_a_copy_that_is_wanted_is_something_to_do(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    targets = "targets: {dev: {engine: duckdb, path: dev.duckdb, publish_copy: copy.duckdb}}\n"
    write(root, {"sqlflow.yml": FILES["sqlflow.yml"] + targets})
    assert Project.load().build().ok
    (root / "copy.duckdb").unlink()
    assert not told_idle(monkeypatch)
    assert (root / "copy.duckdb").exists()


def test_another_environment_that_borrows_is_made(root: Path) -> None:
    assert len(Project.load(environment="dev").build().published) == 4
    assert not Project.load(environment="dev").build().published


def test_a_run_that_came_between_is_seen(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was looked at before the lease was taken is looked at again if somebody else has had a lease since."""
    edit("blocks/a.sql", "select id", "select id * 2 as id")(root)
    looks: list[int] = []
    real = several.looked_at

    def look(*arguments: Any) -> Any:
        found = real(*arguments)
        looks.append(len(found.made))
        if len(looks) == 1:
            connection = arguments[1]
            connection.session().execute("update _sqlflow.sqlflow_leases set sequence = sequence + 1")
        return found

    monkeypatch.setattr(several, "looked_at", look)
    assert Project.load().build().ok
    assert len(looks) == 2
    edit("blocks/a.sql", "id * 2", "id * 3")(root)
    looks[:] = [0]
    assert Project.load().build().ok
    assert len(looks) == 2
