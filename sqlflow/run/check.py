"""Runs one assertion on the versions of this run."""

import time

from msgspec.structs import replace

from sqlflow.core.block import Assertion, Function
from sqlflow.core.engine import Rows, Session
from sqlflow.core.errors import BuildError, Problem, StatementError
from sqlflow.core.events import AssertionStatus
from sqlflow.core.names import TableName
from sqlflow.core.text import MappedText, Place
from sqlflow.plan.versions import new_rows
from sqlflow.read.assertion_kinds import KINDS
from sqlflow.run import functions, state
from sqlflow.run.build import time_limit, told
from sqlflow.run.report import AssertionResult
from sqlflow.run.retry import is_transient
from sqlflow.run.sources import bound
from sqlflow.run.work import Work


def check(
    work: Work, assertion: Assertion, session: Session, started: float, counted: int | None = None
) -> AssertionResult:
    """Return how it goes with an assertion that was begun at `started`, by the performance counter.

    `counted` are the rows that break it, where that is known. One that cannot be run has failed.
    """
    result = AssertionResult(
        assertion.name, str(assertion.block or ""), assertion.severity, "passed", description=assertion.description
    )
    try:
        result = _checked(work, assertion, session, result, counted)
    except BuildError as error:
        if is_transient(error):
            raise
        result = replace(result, status="failed", problems=error.problems)
    return replace(result, seconds=time.perf_counter() - started)


def _checked(
    work: Work, assertion: Assertion, session: Session, result: AssertionResult, counted: int | None
) -> AssertionResult:
    project = work.binder.project
    if isinstance(assertion.code, Function):
        return _called(work, assertion, assertion.code, session, result)
    schema = assertion.block.schema if assertion.block else project.target.schema
    if assertion.new_only and assertion.block is not None:
        rows = _new_rows(work, assertion.block, session)
        if rows is None:
            return result
        work = replace(work, binder=work.binder.reading(assertion.block, rows))
    query = bound(work, assertion.code, schema, assertion.place, session)
    with time_limit(session.interrupt, *_limit(work, assertion)):
        failing = counted if counted is not None else _failing(work, assertion, session, query)
        if failing == 0 or _is_borne(work, assertion, session, failing):
            return replace(result, failing=failing)
        status: AssertionStatus = "warned" if assertion.severity == "warn" else "failed"
        result = replace(result, status=status, failing=failing)
        if not assertion.sample_rows:
            return result
        # The user's own query may sort its rows; any other order would differ from run to run.
        order = "order by 1 " if assertion.kind in KINDS and assertion.kind != "sql" else ""
        text = "select * from (\n" + query + f"\n) as failing {order}limit {assertion.sample_rows}"
        sample = _rows(work, assertion, session, text)
    return replace(result, columns=sample.columns, sample=sample.rows)


def _failing(work: Work, assertion: Assertion, session: Session, query: MappedText) -> int:
    return int(_rows(work, assertion, session, "select count(*) from (\n" + query + "\n) as failing").rows[0][0])


def _new_rows(work: Work, block: TableName, session: Session) -> TableName | None:
    """Return what holds the new rows of a block's version; None if it is shown already and nothing tells them any more.

    A version that is not shown yet, and was built before anybody asked for its new rows, may have nothing else.
    """
    version, cookbook = work.binder.relations[block], work.plan.cookbook
    if new_rows(version).name in state.inputs_of(session, version):
        return new_rows(version)
    return version if cookbook is not None and cookbook.published.get(block) != version else None


def _limit(work: Work, assertion: Assertion) -> tuple[float | None, str, Place]:
    seconds = assertion.timeout or work.binder.project.config.timeout
    return seconds, f"the assertion `{assertion.name}`", assertion.place


def _called(
    work: Work, assertion: Assertion, function: Function, session: Session, result: AssertionResult
) -> AssertionResult:
    """Return what an assertion function says of the block's rows."""
    with work.workers.borrowed(function.runtime) as worker:
        seconds, what, place = _limit(work, assertion)
        with time_limit(worker.interrupt, seconds, what, place, "its process was killed"):
            said = functions.verdict(work, assertion, function, worker, session)
    if said.failing == 0 or _is_borne(work, assertion, session, said.failing):
        return replace(result, failing=said.failing)
    status: AssertionStatus = "warned" if assertion.severity == "warn" else "failed"
    problem = said.problem or (Problem(said.message, place) if said.message else None)
    return replace(
        result, status=status, failing=said.failing, columns=said.columns, sample=said.sample[: assertion.sample_rows],
        problems=(problem,) if problem else (),
    )  # fmt: skip


def _rows(work: Work, assertion: Assertion, session: Session, statement: MappedText) -> Rows:
    try:
        return session.rows(statement.text)
    except StatementError as error:
        block = work.binder.project.blocks.get(assertion.block) if assertion.block else None
        raise told(error, statement, work, block, assertion.place) from error


def _is_borne(work: Work, assertion: Assertion, session: Session, failing: int) -> bool:
    """Tell whether so many failing rows are within the assertion's threshold."""
    limit = assertion.fail_above
    if limit.share is None:
        return failing <= limit.rows
    if assertion.block is None:
        return False
    block = work.binder.resolver.project.blocks[assertion.block]
    relation = work.binder.relations.get(block.name)
    if relation is None:
        return False
    total = int(session.rows(f"select count(*) from {relation.sql}").rows[0][0])
    return failing <= total * limit.share
