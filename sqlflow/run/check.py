"""Runs one assertion on the versions of this run."""

import time
from dataclasses import replace

from sqlflow.core.block import Assertion, Query
from sqlflow.core.engine import Rows, Session
from sqlflow.core.errors import BuildError, StatementError
from sqlflow.core.events import AssertionStatus
from sqlflow.core.text import MappedText
from sqlflow.read.assertion_kinds import KINDS
from sqlflow.run.build import Work, time_limit, told
from sqlflow.run.report import AssertionResult


def check(work: Work, assertion: Assertion, session: Session) -> AssertionResult:
    """Return how it goes with an assertion. One that cannot be run has failed."""
    started = time.perf_counter()
    result = AssertionResult(
        assertion.name, str(assertion.block or ""), assertion.severity, "passed", description=assertion.description
    )
    try:
        result = _checked(work, assertion, session, result)
    except BuildError as error:
        result = replace(result, status="failed", problems=error.problems)
    return replace(result, seconds=time.perf_counter() - started)


def _checked(work: Work, assertion: Assertion, session: Session, result: AssertionResult) -> AssertionResult:
    project = work.binder.project
    schema = assertion.block.schema if assertion.block else project.target.schema
    assert isinstance(assertion.code, Query)
    query = work.binder.bound(assertion.code, schema)
    limit = assertion.timeout or project.config.timeout
    with time_limit(session, limit, f"the assertion `{assertion.name}`", assertion.place):
        counted = _rows(work, assertion, session, "select count(*) from (\n" + query + "\n) as failing")
        failing = int(counted.rows[0][0])
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
