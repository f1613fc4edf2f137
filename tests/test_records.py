"""What is kept of versions is kept with them, or soon after, and never twice: a COMMIT can raise and still have happened."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support import write

from sqlflow import Project
from sqlflow.core.engine import Session
from sqlflow.core.errors import StatementError
from sqlflow.core.names import TableName
from sqlflow.plan.versions import Key
from sqlflow.run import records, state
from sqlflow.run.records import Record, Records


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    """Yield a session in a target with an empty state."""
    project = Project.load(write(tmp_path, {"sqlflow.yml": "name: p\n", "blocks/a.sql": "select 1 as id"})).loaded
    connection = project.target.engine.open(project.target.settings, project.root)
    opened = connection.session()
    state.ensure(connection, opened)
    yield opened
    opened.close()
    connection.close()


def record(name: str) -> Record:
    relation = TableName(state.STATE_SCHEMA, name)
    return Record(state.Version(relation, "a", "table", Key(name, "", ()), "run", ()), None)


def made(found: Records, name: str, session: Session) -> None:
    one = record(name)
    with found.transaction(session) as tell:
        session.execute(f"create table {one.version.relation.sql} as select 1 as id")
        tell(one)


def recorded(session: Session) -> list[str]:
    rows = session.rows(f"select relation from {state.table_of('sqlflow_versions')} order by relation").rows
    return [name for (name,) in rows]


@contextmanager
def whose_commit_raises(session: Session, has_happened: bool) -> Iterator[None]:
    real = type(session).transaction

    @contextmanager
    def transaction(self: Session, lock_seconds: float | None = None) -> Iterator[None]:
        if has_happened:
            with real(self, lock_seconds):
                yield
            raise StatementError("the connection is gone")
        with real(self, lock_seconds):
            yield
            raise StatementError("the connection is gone")

    with pytest.MonkeyPatch.context() as patch, pytest.raises(StatementError, match="is gone"):
        patch.setattr(type(session), "transaction", transaction)
        yield


def test_what_was_quick_waits_for_others_and_is_written_in_the_end(session: Session) -> None:
    found = Records()
    made(found, "a", session)
    assert recorded(session) == []
    found.close(session)
    found.close(session)
    assert recorded(session) == ["a"]


def test_what_was_slow_is_written_with_it_and_with_all_that_waits(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Records()
    made(found, "a", session)
    monkeypatch.setattr(records, "QUICK_SECONDS", 0.0)
    made(found, "b", session)
    assert recorded(session) == ["a", "b"]
    assert found.waiting == []


def test_many_are_written_together(session: Session) -> None:
    found = Records()
    for number in range(16):
        made(found, f"a{number:02d}", session)
    assert len(recorded(session)) == 16
    assert found.waiting == []


@pytest.mark.parametrize("quick", [0.0, 60.0])
@pytest.mark.parametrize("has_happened", [True, False])
def test_a_commit_in_doubt_is_found_out(
    has_happened: bool, quick: float, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, relation = Records(), record("b").version.relation
    made(found, "a", session)
    monkeypatch.setattr(records, "QUICK_SECONDS", quick)
    with whose_commit_raises(session, has_happened):
        made(found, "b", session)
    assert found.has_happened(relation, session) == has_happened
    if not has_happened:
        made(found, "b", session)
    found.close(session)
    assert recorded(session) == ["a", "b"]


@pytest.mark.parametrize("has_happened", [True, False])
def test_the_end_can_be_tried_again(has_happened: bool, session: Session) -> None:
    found = Records()
    made(found, "a", session)
    with whose_commit_raises(session, has_happened):
        found.close(session)
    found.close(session)
    assert recorded(session) == ["a"]
