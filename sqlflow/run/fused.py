"""Counts the rows that break the row-level assertions of one block in one scan, for engines whose scans cost most.

On rows that lie by column, statistics answer many a condition without a scan, and one query for each is faster.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from sqlflow.core.block import Assertion, Query, TableUse
from sqlflow.core.engine import Session
from sqlflow.core.errors import SqlflowError
from sqlflow.core.names import TableName, quoted
from sqlflow.core.text import MappedText
from sqlflow.plan.plan import Check, Plan
from sqlflow.run.build import time_limit
from sqlflow.run.retry import is_transient
from sqlflow.run.sources import bound
from sqlflow.run.work import Work

KINDS = frozenset({"not_null", "accepted_values", "range", "matches", "expression"})
"""Those whose query takes the rows for which one condition is true, and nothing else."""
AT_ONCE = 200
"""How many counts one scan makes, at most: Postgres has room for 1,664 columns of a result."""
Group = tuple[Check, ...]


def groups(plan: Plan) -> tuple[Group, ...]:
    """Return the assertions of a plan that are counted together, in the plan's order: at least two in each group."""
    if not plan.project.target.engine.fuses_counts:
        return ()
    found: dict[TableName, list[Check]] = {}
    for check in plan.checks:
        block = check.assertion.block
        if block is not None and condition(check.assertion) is not None:
            found.setdefault(block, []).append(check)
    cut = (checks[start : start + AT_ONCE] for checks in found.values() for start in range(0, len(checks), AT_ONCE))
    return tuple(tuple(group) for group in cut if len(group) > 1)


def condition(assertion: Assertion) -> str | None:
    """Return what is true for the rows that break an assertion; None if that is not to be told row by row.

    One that has a `timeout` of its own, or looks at new rows alone, stays by itself. `where` goes before the condition, which may
    rely on it.
    """
    query, block = assertion.code, assertion.block
    if block is None or assertion.kind not in KINDS or assertion.timeout is not None or assertion.new_only:
        return None
    if not isinstance(query, Query) or query.opaque or query.named or len(query.tables) != 1:
        return None
    text, every, some = query.text.text, f"select * from {_table(block)} where ", f"\n)) as {quoted(block.name)} where "
    if text.startswith(every):
        return text[len(every) :]
    filtered = f"select * from (select * from {_table(block)} where (\n"
    if not text.startswith(filtered) or text.count(some) != 1:
        return None
    where, _, broken = text[len(filtered) :].partition(some)
    return f"case when (\n{where}\n) then (\n{broken}\n) end"


def _table(block: TableName) -> str:
    return f"{block.sql} as {quoted(block.name)}"


def fused(block: TableName, conditions: Iterable[str]) -> Query:
    """Return the query of one row: for how many rows of the block each of the conditions is true."""
    counts = ",\n".join(f"count(*) filter (where (\n{one}\n))" for one in conditions)
    text = MappedText.plain(f"select {counts}\nfrom {_table(block)}")
    start = len(text.text) - len(_table(block))
    return Query(text, (TableUse(block, start, start + len(block.sql), aliased=True),))


@dataclass
class Counts:
    """What has been counted in one run: the first assertion of a group counts for all, and the others begin after it."""

    plan: Plan
    found: dict[str, int] = field(default_factory=dict)
    """By the assertions' keys."""

    def __post_init__(self) -> None:
        self._waiting = {group[0].assertion.key: group for group in groups(self.plan)}

    def of(self, check: Check, work: Work, session: Session) -> int | None:
        """Return how many rows break an assertion; None where it must count them itself.

        So it is where the engine refuses one of the conditions, or the scan takes too long: each assertion then tells its own
        fault. Raise StatementError, or BuildError, of the kind that passes.
        """
        key = check.assertion.key
        group = self._waiting.get(key)
        if group and key not in self.found:
            try:
                self.found |= _counted(group, work, session)
            except SqlflowError as error:
                if is_transient(error):
                    raise
            self._waiting.pop(key)
        return self.found.get(key)


def _counted(group: Group, work: Work, session: Session) -> dict[str, int]:
    assertion = group[0].assertion
    assert assertion.block is not None
    query = fused(assertion.block, (text for check in group if (text := condition(check.assertion)) is not None))
    statement = bound(work, query, assertion.block.schema, assertion.place, session)
    seconds = work.binder.project.config.timeout
    with time_limit(session.interrupt, seconds, "counting", assertion.place):
        (counts,) = session.rows(statement.text).rows
    return {check.assertion.key: int(count) for check, count in zip(group, counts, strict=True)}
