"""Runs unit tests: a block's query or function on rows that are made up, beside all that the target holds."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

from msgspec import Struct
from msgspec.structs import replace

from sqlflow.core import events
from sqlflow.core.block import Block, Project, Query
from sqlflow.core.engine import Column, Connection, Session
from sqlflow.core.errors import BuildError, Cancelled, SqlflowError, StatementError, TargetError
from sqlflow.core.events import Listener
from sqlflow.core.names import TableName, quoted
from sqlflow.core.spans import Span
from sqlflow.core.unit_test import Given, QueriedRows, UnitTest, WrittenRows
from sqlflow.plan import unit_tests as planned
from sqlflow.plan.graph import Graph, Resolver, graph
from sqlflow.plan.plan import Plan
from sqlflow.plan.ranges import whole_of
from sqlflow.read.project import renderer_of
from sqlflow.read.runtimes import missing
from sqlflow.run import seeds
from sqlflow.run.build import called, current_query, run_statement, time_limit
from sqlflow.run.clock import stopped
from sqlflow.run.compose import Binder, selectable
from sqlflow.run.continued import applied, change_of
from sqlflow.run.differences import Row, differences
from sqlflow.run.fixtures import comparable, no_column, table_query, values
from sqlflow.run.report import Report, RunStatus, UnitTestResult
from sqlflow.run.shapes import Shapes, temporary
from sqlflow.run.snapshots import moment_of
from sqlflow.run.work import Work
from sqlflow.run.workers import Workers


class Made(Struct, frozen=True):
    """What a block has made of the rows that a test gives: floats as they are, and all else as the engine writes it."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]


class _Undone(Exception):
    """Only inside this module: a test has ended, and leaves nothing behind."""


@dataclass
class UnitTests:
    """Runs the unit tests of a project, in a database in memory or, where the engine has none, in the `target` itself.

    There each runs in a transaction that is rolled back. `with_vars` loads the project with other vars.
    """

    graph: Graph
    run: str
    workers: Workers
    with_vars: Callable[[Mapping[str, Any]], Project]
    known: Callable[[TableName], tuple[Column, ...] | None] = lambda name: None
    target: Connection | None = None
    tell: Listener = lambda event: None
    sessions: list[Session] = field(default_factory=list)
    """Those that are at work now, so that they can be interrupted."""
    is_in_target: bool = False
    _opened: Connection | None = None
    _asking: list[Session] = field(default_factory=list)
    _shapes: Shapes | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def results(self, block: TableName) -> tuple[UnitTestResult, ...]:
        """Run the tests of a block, one after the other, and tell of each. Raise TargetError if the target fails."""
        return tuple(self.result(test) for test in planned.tests_of(self.graph, [block]))

    def result(self, test: UnitTest) -> UnitTestResult:
        """Run a test and return how it went. One that cannot be run has failed."""
        started = time.perf_counter()
        result = UnitTestResult(
            test.name, str(test.block), "passed", description=test.description, place=test.place
        )  # fmt: skip
        try:
            result = self._compared(test, result)
        except (TargetError, Cancelled):
            raise
        except SqlflowError as error:
            result = replace(result, status="failed", problems=error.problems)
        result = replace(result, seconds=time.perf_counter() - started)
        why, rows = "\n".join(map(str, result.problems)), len(result.differences)
        self.tell(events.UnitTestFinished(self.run, result.block, test.name, result.status, rows, result.seconds, why))
        return result

    def close(self) -> None:
        """Close what was opened for tests alone, and end the processes of functions."""
        self.workers.close()
        for session in self._asking:
            session.close()
        if self._opened is not None and self._opened is not self.target:
            self._opened.close()

    def _compared(self, test: UnitTest, result: UnitTestResult) -> UnitTestResult:
        with self._session() as session:
            made = self.made(test, session)
            columns, expected, rows = _held_against(test, made, session)
        found = differences(expected, rows)
        return replace(
            result,
            status="failed" if found else "passed",
            columns=columns,
            differences=found,
            expected_rows=len(expected),
        )

    def made_alone(self, test: UnitTest) -> Made:
        """Return what the block of a test makes, in a session of its own."""
        with self._session() as session:
            return self.made(test, session)

    def made(self, test: UnitTest, session: Session) -> Made:
        """Return what the block of a test makes of what it is given. Raise BuildError or ProjectError if it cannot."""
        frame, shapes = self._frame(test)
        given = planned.checked(frame, test)
        tables = {name: table_query(one.rows, shapes.of(name), name, session) for name, one in given.items()}
        block = frame.project.blocks[test.block]
        work = self._work(frame, test, given, session)
        made: list[Made] = []
        try:
            with session.transaction():
                for name, query in tables.items():
                    statement = f"create table {work.binder.relations[name].sql} as\n" + query
                    session.execute(statement.text)
                self._load_seeds(work, given, session)
                made.append(self._run(work, block, test, session))
                raise _Undone
        except _Undone:
            return made[0]

    def _frame(self, test: UnitTest) -> tuple[Graph, Shapes]:
        """Return the project of a test and what is known of its columns: another one where the test sets vars."""
        if not test.vars:
            with self._lock:
                self._shapes = self._shapes or self._shapes_of(self.graph)
            return self.graph, self._shapes
        found = graph(self.with_vars(test.vars))
        return found, self._shapes_of(found)

    def _shapes_of(self, frame: Graph) -> Shapes:
        assert self._opened is not None
        session = self._opened.session(self.run)
        self._asking.append(session)
        return Shapes(frame, session, self.is_in_target, self.known)

    @contextmanager
    def _session(self) -> Iterator[Session]:
        with self._lock:
            if self._opened is None:
                self._opened = self._open()
        session = self._opened.session(self.run)
        self.sessions.append(session)
        try:
            yield session
        finally:
            self.sessions.remove(session)
            session.close()

    def _open(self) -> Connection:
        target, root = self.graph.project.target, self.graph.project.root
        scratch = target.engine.scratch(target.settings)
        self.is_in_target = scratch is None
        if scratch is None:
            return self.target or target.engine.open(target.settings, root)
        return target.engine.open(scratch, root)

    def _work(self, frame: Graph, test: UnitTest, given: Mapping[TableName, Given], session: Session) -> Work:
        project, relations, queries = frame.project, {}, dict[TableName, Query]()
        for name, kind in planned.inputs_of(frame, test.block, frozenset(given)).items():
            query = project.blocks[name].query if kind == "ephemeral" and name not in given else None
            if query is not None:
                queries[name] = query
            else:
                relations[name] = temporary(frame, name, f"{self.run} {test.key}")
        if test.block in given:
            relations[test.block] = temporary(frame, test.block, f"{self.run} {test.key}")
        binder = Binder(project, Resolver(project), relations, queries, frozenset(relations))
        lent = cast(Session, _Lent(session))
        return Work(self.run, binder, renderer_of(project), Plan(frame, (), ()), self.workers, lambda: lent, self.tell)

    def _load_seeds(self, work: Work, given: Mapping[TableName, Given], session: Session) -> None:
        """Load the seeds that a test leaves as they are: their rows are a part of the project."""
        for name, relation in work.binder.relations.items():
            if name not in given:
                with seeds.batches(work.binder.project.blocks[name], work.binder.project.root) as batches:
                    session.load(relation, batches)

    def _run(self, work: Work, block: Block, test: UnitTest, session: Session) -> Made:
        relation = temporary(work.plan.graph, test.block, f"{self.run} {test.key} made")
        if block.function is not None:
            self._call(work, block, relation, test, session)
        else:
            self._select(work, block, test, relation, session)
        columns = session.columns(f"select * from {relation.sql}")
        listed = ", ".join(comparable(quoted(column.name), column.type) for column in columns)
        return Made(columns, session.rows(f"select {listed} from {relation.sql}").rows)

    def _select(self, work: Work, block: Block, test: UnitTest, relation: TableName, session: Session) -> None:
        project = work.binder.project
        limit = block.config.timeout or project.config.timeout
        with time_limit(session.interrupt, limit, f"the unit test `{test.name}`", test.place):
            for name in (one for one in work.plan.graph.order if one in work.binder.queries):
                if work.binder.queries[name].dynamic:
                    work.binder.queries[name] = current_query(work, project.blocks[name], session)  # type: ignore[index]
            base = work.binder.relations.get(test.block)
            span = _span(block, test)
            query = current_query(work, block, session, base is not None, span=span)
            body = work.binder.bound(query, block.name.schema)
            if test.now is not None:
                body = stopped(body, test.now, project.target.engine.dialect)
            columns = session.columns(selectable(body).text) if block.is_continued else ()
            moment = moment_of(self.run) if test.now is None else test.now
            change = None if block.is_ranged else change_of(block, base, relation, columns, moment, session)
            made = change.delta if change else relation
            rows = run_statement(session, f"create table {made.sql} as\n" + selectable(body), work, block)
            if change is not None:
                applied(change, f"create table {relation.sql}", session, rows)

    def _call(self, work: Work, block: Block, relation: TableName, test: UnitTest, session: Session) -> None:
        with called(work, block, session, _span(block, test)) as batches:
            session.load(relation, batches.read_all().to_reader())


def _span(block: Block, test: UnitTest) -> Span | None:
    """Return the time whose rows a test asks a block of time ranges for; None for another block."""
    return whole_of(block.config, test.now or datetime.now(UTC)) if block.is_ranged else None


def test_units(tests: UnitTests, chosen: tuple[UnitTest, ...], target: str) -> Report:
    """Run unit tests alone, and return the report. Those of functions that may be left out here are skipped.

    Raise TargetError for what is not installed otherwise.
    """
    started = time.perf_counter()
    blocks = {test.block: tests.graph.project.blocks[test.block] for test in chosen}
    absent = missing(blocks.values())
    needed = [
        problem for name, found in absent.items() if blocks[name].config.if_missing == "fail" for problem in found
    ]
    if needed:
        raise TargetError(needed)
    environment = tests.graph.project.environment.name
    tests.tell(events.RunStarted(tests.run, target, environment, 0, 0, len(chosen)))
    if not chosen:
        message = "no selected block has a unit test: `sqlflow new unit-test BLOCK` writes one"
        tests.tell(events.Warned(tests.run, message))
    results = tuple(
        UnitTestResult(test.name, str(test.block), "skipped", problems=absent[test.block], place=test.place)
        if test.block in absent
        else tests.result(test)
        for test in chosen
    )
    status: RunStatus = "failed" if any(result.status == "failed" for result in results) else "succeeded"
    seconds = time.perf_counter() - started
    tests.tell(events.RunFinished(tests.run, status, seconds))
    return Report(tests.run, target, status, seconds, exit_code=1 if status == "failed" else 0, unit_tests=results)


class _Lent:
    """A session that is somebody else's: to close it leaves it open."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def close(self) -> None:
        """Whoever has opened it closes it."""


def _held_against(
    test: UnitTest, made: Made, session: Session
) -> tuple[tuple[str, ...], tuple[Row, ...], tuple[Row, ...]]:
    """Return the columns that are compared, the rows that are expected, and those that were made."""
    if isinstance(test.expect, QueriedRows):
        asked, places = [column.name.lower() for column in _asked(test.expect, session)], {}
    else:
        asked, places = [column for column, _ in test.expect.columns], dict(test.expect.columns)
    own = [column.name.lower() for column in made.columns]
    at_least = asked or own
    strangers = [
        no_column(one, str(test.block), own, places.get(one, test.expect.place)) for one in asked if one not in own
    ]
    if strangers:
        raise BuildError(strangers)
    at = [own.index(column) for column in at_least]
    types = [made.columns[place].type or "text" for place in at]
    rows = tuple(tuple(row[place] for place in at) for row in made.rows)
    columns = tuple(made.columns[place].name for place in at)
    if isinstance(test.expect, WrittenRows):
        return columns, values(test.expect, types, session), rows
    return columns, _queried(test.expect, columns, types, session), rows


def _asked(expect: QueriedRows, session: Session) -> tuple[Column, ...]:
    try:
        return session.columns(expect.text.text)
    except StatementError as error:
        place = expect.text.place(error.position) if error.position is not None else None
        raise BuildError(error.message, place or expect.place) from error


def _queried(expect: QueriedRows, columns: tuple[str, ...], types: list[str], session: Session) -> tuple[Row, ...]:
    listed = ", ".join(
        comparable(f"cast({quoted(name.lower())} as {kind})", kind) for name, kind in zip(columns, types, strict=True)
    )
    try:
        return session.rows(f"select {listed} from (\n{expect.text.text}\n) as expected").rows
    except StatementError as error:
        raise BuildError(error.message, expect.place) from error
