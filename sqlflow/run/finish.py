"""What comes when all has been built and checked: results are kept, and what may be is published, target by target."""

import queue
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field

from msgspec import Struct
from msgspec.structs import replace

from sqlflow.core import events
from sqlflow.core.engine import Session
from sqlflow.core.errors import Cancelled, Problem, SqlflowError
from sqlflow.core.events import Listener
from sqlflow.core.flow import PLAIN
from sqlflow.core.names import TableName
from sqlflow.plan.plan import Check, Plan
from sqlflow.run import failures, publish, state
from sqlflow.run.callbacks import call_back
from sqlflow.run.exports import ExportStopped, Written, forget, put_in_place, written_aside
from sqlflow.run.options import Options
from sqlflow.run.order import Node
from sqlflow.run.report import Report, RunStatus
from sqlflow.run.sweep import sweep
from sqlflow.run.table_exports import Staged, staged
from sqlflow.run.table_exports import forget as forget_tables
from sqlflow.run.table_moves import put_in_place as put_into_tables
from sqlflow.run.tally import Outcome, Tally
from sqlflow.run.target import Held
from sqlflow.run.work import Work

SWEEP_SECONDS = 10.0
"""How long a run drops old versions at most, before it builds and when it has published: somebody waits for its end."""
TIMED_OUT = 1
"""What stands for an exit code where it is no signal that ends a run, but its time."""
Done = queue.SimpleQueue[tuple[Node | None, Outcome]]
"""What workers have finished; no node and Cancelled for a signal."""


class Worked(Struct, frozen=True):
    """A plan that was worked through in a target."""

    plan: Plan
    held: Held
    work: Work


def heard(done: Done) -> Cancelled | None:
    """Return the signal that came when all work had been done."""
    with suppress(queue.Empty):
        return next(outcome for _, outcome in iter(done.get_nowait, None) if isinstance(outcome, Cancelled))
    return None


def stopped(why: Cancelled, tally: Tally, options: Options, tell: Listener) -> Report:
    """Finish a run that was told to end, or that took too long."""
    if why.exit_code != TIMED_OUT:
        return tally.report("cancelled", exit_code=why.exit_code)
    problem = Problem(f"timeout: the run took longer than {options.timeout:g} s")
    tell(events.NotPublished(tally.run, f"nothing was published: {problem.message}"))
    return tally.report("failed", problems=(problem,), exit_code=1)


def swept(held: Held, keep: list[str], tell: Listener) -> None:
    """Drop what is not needed any more. What cannot be dropped now is dropped by a later run.

    The session is a new one: the server may have been started again since the last.
    """
    try:
        with closing(held.connection.session()) as session:
            sweep(held.connection, session, held.lease.environment, keep, held.project.config.keep, SWEEP_SECONDS)
    except SqlflowError as error:
        message = f"old versions could not be dropped: {error.problems[0].message}"
        tell(events.Warned(held.lease.owner, message))


def keep_results(tally: Tally, held: Held, work: Work, tell: Listener) -> None:
    """Keep the failing rows of a plan's assertions, and which of them need not run again on the same versions.

    Keep what is still to be kept of versions, too.
    """
    records, checks = work.records, work.plan.checks
    mine = [tally.checked[key] for check in checks if (key := check.assertion.key) in tally.checked]
    found = [result for result in mine if result.status in ("failed", "warned")]
    passed = [check.key for check in checks if check.key and _holds(check, tally, work)]
    if not found and not passed and not records.waiting:
        return
    run, environment = held.lease.owner, held.lease.environment
    session = held.connection.session()
    try:
        records.close(session)
        state.record_checked(session, passed, run)
        for result in found:
            failures.record(
                session,
                environment,
                failures.Failure(
                    run, result.block or result.assertion, result.assertion, result.severity, result.failing,
                    result.columns, result.sample, "\n".join(problem.message for problem in result.problems),
                ),
            )  # fmt: skip
        if found:
            failures.forget_old(session, environment)
    except SqlflowError as error:
        tell(events.Warned(run, f"what was found could not be kept: {error.problems[0].message}"))
    finally:
        session.close()


def _holds(check: Check, tally: Tally, work: Work) -> bool:
    """Tell whether an assertion has passed, and on what its key is of: files, versions, and nothing else."""
    is_known = not check.reads & work.doubtful and check.assertion.key not in work.reaching
    return is_known and tally.has_passed(check) and all(map(work.plan.files.hold, check.assertion.code.files))


@dataclass
class Publishing:
    """One run's publishing: what is shown so far, over all of its targets."""

    worked: Mapping[str, Sequence[Worked]]
    """By target, in the order in which they publish."""
    tally: Tally
    options: Options
    done: Done
    tell: Listener
    before: list[tuple[str, int]] = field(default_factory=list)
    """The targets that have published, and how many relations."""
    held: Mapping[str, Held] = field(default_factory=dict)
    """All targets that the run holds, those that it only exports to among them."""
    exports: list[tuple[Work, tuple[Written, ...]]] = field(default_factory=list)
    staged: dict[str, list[Staged]] = field(default_factory=dict)
    """What lies aside for tables, by target."""
    shown: list[TableName] = field(default_factory=list)
    dropped: list[TableName] = field(default_factory=list)

    def report(self) -> Report:
        """Publish what may be, each target in one transaction, and return the run's report.

        Nothing is published anywhere before it is known of each target that nothing stands against it. A target that fails
        keeps those behind it from publishing; those before it have published.
        """
        tally, run = self.tally, self.tally.run
        passing, is_whole = tally.passing(), not tally.bad
        if not is_whole and (self.options.publish == "all" or not passing):
            self._call_back(())
            offered = self.options.publish == "all" and passing
            hint = "; `--publish passing` would publish what passed" if offered else ""
            self.tell(events.NotPublished(run, f"nothing was published{hint}"))
            return tally.report("failed")
        try:
            with self._sessions() as sessions:
                return self._published(passing, is_whole, sessions)
        finally:
            for _, written in self.exports:
                forget(written)
            for target, staged in self.staged.items():
                forget_tables(staged, self.held[target])

    def _published(self, passing: list[TableName], is_whole: bool, sessions: Mapping[str, Session]) -> Report:
        tally = self.tally
        try:
            shows = {target: self._to_show(target, passing, sessions[target]) for target in self.worked}
            self._write_exports(passing, sessions)
            publishing = [target for target in self.worked if shows[target] or self._prunes(target)]
            if publishing and (signal := self._settled(publishing)):
                return stopped(signal, tally, self.options, self.tell)
            for target in publishing:
                self._publish(target, shows[target], sessions[target])
            if publishing:
                self._call_back(passing)
        except SqlflowError as error:
            signal = heard(self.done)
            if signal and isinstance(error, ExportStopped):
                return stopped(signal, tally, self.options, self.tell)
            self.tell(events.NotPublished(tally.run, str(error)))
            if signal and signal.exit_code != TIMED_OUT:
                # It came too late to stop publishing, and is to stop more tries.
                return self._reported("failed" if self.before else "cancelled", error, signal.exit_code)
            return self._reported("failed", error)
        try:
            for work, written in self.exports:
                put_in_place(written, work)
            for target, staged in self.staged.items():
                put_into_tables(staged, self.held[target], self.tell)
            self._tidy(sessions)
        except SqlflowError as error:
            return self._reported("failed", error)
        is_good = is_whole and (publishing or not tally.failures())
        return self._reported("succeeded" if is_good else "failed")

    def _reported(self, status: RunStatus, error: SqlflowError | None = None, exit_code: int | None = None) -> Report:
        problems, code = (error.problems, exit_code or error.exit_code) if error else ((), None)
        report = self.tally.report(status, tuple(self.shown), tuple(self.dropped), problems, code)
        return replace(report, published_in=tuple(self.before))

    def _tidy(self, sessions: Mapping[str, Session]) -> None:
        """Sweep the targets that nothing is built in, and let each target have its copy."""
        for target, held in self.held.items():
            if target not in sessions:
                swept(held, [], self.tell)
            if held.connection.wants_copy and (target in sessions or target in self.staged):
                with closing(held.connection.session()) as session:
                    publish.copy(held.connection, session, held.lease.environment)

    def _write_exports(self, passing: list[TableName], sessions: Mapping[str, Session]) -> None:
        """Write aside what blocks export, in all targets."""
        for target, works in self.worked.items():
            for worked in works:
                own = [name for name in passing if name in worked.plan.nodes]
                written = written_aside(worked.work, own, sessions[target], lambda: not self.done.empty())
                self.exports.append((worked.work, written))
                for one in staged(worked.work, own, self.held, self.options.adopt, lambda: not self.done.empty()):
                    self.staged.setdefault(one.export.target, []).append(one)

    def _call_back(self, published: Iterable[TableName]) -> None:
        """Run the statements that blocks want to be run now, if there are any."""
        blocks = self.tally.graph.project.blocks
        if not any(blocks[name].flow != PLAIN for name in self.tally.results):
            return
        for works in self.worked.values():
            work = works[0].work
            try:
                session = work.open_session()
            except SqlflowError as error:
                self.tell(events.Warned(work.run, f"no statement could be run: {error.problems[0].message}"))
                continue
            try:
                call_back(work, self.tally, published, session, lambda: not self.done.empty())
            finally:
                session.close()

    @contextmanager
    def _sessions(self) -> Iterator[dict[str, Session]]:
        with ExitStack() as stack:
            found = {}
            for target, worked in self.worked.items():
                found[target] = worked[0].held.connection.session()
                stack.callback(found[target].close)
            yield found

    def _to_show(self, target: str, passing: list[TableName], session: Session) -> dict[TableName, TableName]:
        """Return the relation of each block that is not shown as it is: of those that pass, and of those of `prod`."""
        first = self.worked[target][0]
        held, own = first.held, first.held.project.blocks
        new = {
            name: worked.work.binder.relations[name]
            for worked in self.worked[target]
            for name in passing
            if name in own and name in worked.plan.nodes and name not in worked.plan.inlined
        }
        return publish.to_show(first.plan, new, held.connection, session, held.lease.environment)

    def _prunes(self, target: str) -> bool:
        return self.options.prune and not self.tally.bad and bool(self.worked[target][0].plan.removed)

    def _settled(self, targets: list[str]) -> Cancelled | None:
        """Wait for the readers of all targets; return the signal that came meanwhile. From here on none is heard."""
        for target in targets:
            waiting = self.worked[target][0].held.connection.settle(lambda: not self.done.empty())
            if waiting:
                message = f"published over readers that have begun before, who may find tables empty: {waiting}"
                self.tell(events.Warned(self.tally.run, message))
        return heard(self.done)

    def _publish(self, target: str, relations: Mapping[TableName, TableName], session: Session) -> None:
        first, started = self.worked[target][0], time.perf_counter()
        held = first.held
        try:
            dropped = publish.publish(
                held.connection, session, first.plan, relations, held.lease, self._prunes(target), self.options.adopt,
                self.options.cascade,
            )  # fmt: skip
        except SqlflowError as error:
            if not self.before:
                raise
            raise self._in_part(target, error) from error
        self.tell(events.Published(self.tally.run, len(relations), time.perf_counter() - started, target))
        self.before.append((target, len(relations)))
        self.shown += map(held.lease.environment.relation, relations)
        self.dropped += dropped
        built = (worked.work.binder.relations for worked in self.worked[target])
        aside = [relations[name].name for relations in built for name in self.tally.bad if name in relations]
        aside += [one.aside.name for one in self.staged.get(target, ())]
        swept(held, aside, self.tell)

    def _in_part(self, target: str, error: SqlflowError) -> SqlflowError:
        """Return the error of a target where others have published before it."""
        done = ", ".join(f"`{name}`" for name, _ in self.before)
        hint = "the next build publishes it, and builds nothing again"
        found = (
            Problem(
                f"`{target}` shows what it did before, and {done} what is new: {one.message}",
                one.place,
                one.hint or hint,
            )
            for one in error.problems
        )
        return type(error)(found)
