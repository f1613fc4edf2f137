"""Builds or checks one node of a plan, in the thread that calls, and again where an error is of a kind that passes."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from sqlflow.core import events
from sqlflow.core.block import Block
from sqlflow.core.engine import Session
from sqlflow.core.errors import SqlflowError
from sqlflow.core.flow import Retries, Wait
from sqlflow.core.names import TableName
from sqlflow.core.text import MappedText
from sqlflow.plan.plan import Check
from sqlflow.run.build import Built, build, current_query, found_or_built
from sqlflow.run.check import check
from sqlflow.run.conditions import published_text, truth
from sqlflow.run.cutoff import Cutoff
from sqlflow.run.fused import Counts
from sqlflow.run.order import Node
from sqlflow.run.pools import pool_of
from sqlflow.run.ranges import select_ranges
from sqlflow.run.recorded import record_recipe
from sqlflow.run.report import AssertionResult, BlockResult
from sqlflow.run.retry import is_lost, retried
from sqlflow.run.tally import Later, Outcome, Tally
from sqlflow.run.waits import pause, pending
from sqlflow.run.work import Work

T = TypeVar("T")


@dataclass
class Attempts:
    """The sessions of the threads that work, and what they do with a node."""

    work: Work
    tally: Tally
    refused: Mapping[TableName, SqlflowError] = field(default_factory=dict)
    """The blocks that are not built, since a unit test fails."""
    sessions: list[Session] = field(default_factory=list)
    local: threading.local = field(default_factory=threading.local)
    has_reconnected: bool = False
    waiting: dict[TableName, float] = field(default_factory=dict)
    """Since when blocks wait, by the monotonic clock."""
    told: set[Wait] = field(default_factory=set)
    come: set[TableName] = field(default_factory=set)
    """The blocks that need not wait any more."""
    failures: Counter[TableName] = field(default_factory=Counter)
    cutoff: Cutoff = field(init=False)
    counts: Counts = field(init=False)

    def __post_init__(self) -> None:
        self.plan = self.work.plan
        self.cutoff = Cutoff(self.plan)
        self.counts = Counts(self.plan)

    def outcome(self, node: Node) -> Outcome:
        """Build or check a node. Raise SqlflowError where that fails."""
        if self.tally.stopping:
            return "not begun"
        if isinstance(node, Check):
            result = self._steadily(node.assertion.key, lambda session: self._checked(node, session))
            if result.status == "failed":
                self.tally.failed()
            return result
        block = self.plan.block(node)
        if node in self.plan.inlined:
            if block.query is not None and block.query.dynamic:
                self.work.binder.queries[node] = current_query(self.work, block, self._session())  # type: ignore[index]
            return None
        if node in self.plan.reused:
            self._renew(node, self.plan.reused[node])
            self.tally.results[node] = BlockResult(node, "reused", relation=self.plan.reused[node])
            self.work.tell(events.BlockReused(self.work.run, str(node)))
            return None
        # One that has waited is to be built: that was found out before, and looking for a file takes no session.
        same = None
        if node not in self.waiting:
            same = self.cutoff.unchanged(node, self.work.binder.relations, self.work.doubtful, self._session())
        if same is not None:
            self.work.binder.relations[node] = same  # type: ignore[index]
            self._renew(node, same)
            self.tally.results[node] = BlockResult(node, "reused", relation=same)
            self.work.tell(events.BlockReused(self.work.run, str(node)))
            return None
        if self.is_waiting(node) and (later := self._waiting(block)):
            return later
        self.work.tell(events.BlockStarted(self.work.run, str(node)))
        if node in self.refused:
            raise self.refused[node]
        started = time.perf_counter()
        try:
            built = self._steadily(str(node), lambda session: self._build(block, session))
        except SqlflowError as error:
            return self._again(block, error)
        seconds = time.perf_counter() - started
        self.work.tell(events.BlockBuilt(self.work.run, str(node), block.config.materialize, built.rows, seconds))
        self.tally.results[node] = BlockResult(node, "built", seconds, built.relation, built.rows)
        return built

    def _checked(self, node: Check, session: Session) -> AssertionResult:
        started = time.perf_counter()
        counted = self.counts.of(node, self.work, session)
        return check(self.work, node.assertion, session, started, counted)

    def is_waiting(self, node: Node) -> bool:
        """Tell whether a block is still to look whether what it waits for has come."""
        if not isinstance(node, TableName) or node in self.come or not self.plan.block(node).flow.waits:
            return False
        return node in self.plan.anew

    def _waiting(self, block: Block) -> Later | None:
        """Return when to look again for what a block waits for, or to build it; None when all is there and it needs no place.

        Raise BuildError when it is too late.
        """
        project, current = self.plan.project, self.plan.cookbook.published if self.plan.cookbook else {}

        def is_true(wait: Wait, text: MappedText) -> bool:
            assert wait.query is not None
            bound = published_text(wait.query, block.name.schema, project, current)
            return bound is not None and truth(bound, self._session().rows, wait.place, "wait_for")

        wait = pending(block.flow.waits, project.root, is_true)
        if wait is None:
            self.come.add(block.name)
            return Later(0.0) if pool_of(self.plan, block.name) else None  # it has looked without a place in its pool
        since = self.waiting.setdefault(block.name, time.monotonic())
        seconds = pause(wait, time.monotonic() - since)
        if wait not in self.told:
            self.told.add(wait)
            self.work.tell(events.BlockWaiting(self.work.run, str(block.name), wait.what))
        return Later(seconds)

    def _again(self, block: Block, error: SqlflowError) -> Later:
        """Return when a block is tried again. Raise the error if that was its last try."""
        given = block.config.retries
        self.failures[block.name] += 1
        failures = self.failures[block.name]
        pause = Retries(given.count, given.delay, given.backoff).pause(failures) if given else None
        if pause is None or self.tally.stopping:
            raise error
        self.work.tell(events.BlockTriedAgain(self.work.run, str(block.name), failures + 1, pause, str(error)))
        return Later(pause)

    def _renew(self, name: TableName, relation: TableName) -> None:
        """Keep that a version is still good, although what it was made from is not what it was."""
        if name not in self.plan.reused or name in self.plan.renewed:
            session = self._session()
            record_recipe(self.work, name, relation, session.columns(f"select * from {relation.sql}"), session)

    def _build(self, block: Block, session: Session) -> Built:
        select = select_ranges if block.name in self.plan.ranges else None
        return (found_or_built if self.has_reconnected else build)(self.work, block, session, select)

    def _steadily(self, what: str, attempt: Callable[[Session], T]) -> T:
        """Return what `attempt` gives; it is tried again, and this told, where the error is of a kind that passes."""

        def again(error: SqlflowError) -> bool:
            if is_lost(error):
                self.local.session, self.has_reconnected = None, True
            if not self.tally.stopping:
                self.work.tell(events.Warned(self.work.run, f"`{what}` is tried again: {error.problems[0].message}"))
            return not self.tally.stopping

        def labelled() -> T:
            session = self._session()
            session.label(f"{self.plan.project.config.name} {what} {self.work.run}")
            return attempt(session)

        return retried(labelled, again)

    def _session(self) -> Session:
        session: Session | None = getattr(self.local, "session", None)
        if session is None:
            session = self.local.session = self.work.open_session()
            self.sessions.append(session)
        return session

    def interrupt(self) -> None:
        """Stop the statements and functions that run now."""
        self.work.workers.interrupt()
        for session in (*self.sessions, *self.work.at_work):
            session.interrupt()

    def rest(self) -> None:
        """Give back sessions and processes while nothing is worked on: who waits for hours holds none of them."""
        self.work.workers.rest()
        for session in self.sessions:
            session.close()
        self.sessions.clear()
        self.local = threading.local()

    def close(self) -> None:
        """End the processes of functions, and the sessions."""
        self.work.workers.close()
        for session in self.sessions:
            session.close()
