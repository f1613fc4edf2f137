"""A backfill: the intervals of blocks of time ranges that somebody asks for, and what is to be said against it."""

from collections.abc import Collection, Iterable, Iterator
from datetime import UTC, datetime

from sqlflow.core.block import Block
from sqlflow.core.errors import BuildError, Problem, TargetError, UsageError
from sqlflow.core.names import TableName
from sqlflow.core.spans import Span, floor, written
from sqlflow.core.text import Place
from sqlflow.plan.graph import Graph
from sqlflow.plan.plan import Plan
from sqlflow.plan.ranges import AskedRanges, whole_of

_NAMED = 3


def backfilled(
    graph: Graph, chosen: Collection[TableName], start: datetime | str, end: datetime | str, only_missing: bool = False
) -> AskedRanges:
    """Return what is asked of the blocks of time ranges among the `chosen`; times without a zone are UTC.

    Raise UsageError if there are none, and for a time that is not one of whole intervals that have ended.
    """
    blocks = ranged(graph, chosen)
    span = finished(blocks, start, end)
    return AskedRanges(frozenset(block.name for block in blocks), span, only_missing)


def ranged(graph: Graph, chosen: Collection[TableName]) -> list[Block]:
    """Return the blocks of time ranges among the `chosen`. Raise UsageError if there are none."""
    blocks = [block for name in sorted(chosen) if (block := graph.project.blocks[name]).is_ranged]
    if not chosen:
        raise UsageError("nothing is left of the selection")
    if not blocks:
        hint = "only blocks with `strategy: time_range` are built by intervals; `sqlflow build` builds the others"
        raise UsageError(_rangeless([f"`{name}`" for name in sorted(chosen)]), hint=hint)
    return blocks


def _rangeless(names: list[str]) -> str:
    more = [f"{len(names) - _NAMED} more"] if len(names) > _NAMED else []
    listed = ", ".join([*names[:_NAMED], *more])
    return f"{listed} has no intervals of time" if len(names) == 1 else f"none of {listed} has intervals of time"


def finished(blocks: Iterable[Block], start: datetime | str, end: datetime | str) -> Span:
    """Return the span between two times. Raise UsageError if it is not one of whole intervals, all ended, of each block."""
    span = Span(_moment(start), _moment(end))
    if span.is_empty:
        raise UsageError(f"{span} is no time: its end must be later than its beginning")
    problems = [problem for block in blocks for problem in _faults(block, span, datetime.now(UTC))]
    if problems:
        raise UsageError(problems)
    return span


def _moment(time: datetime | str) -> datetime:
    try:
        found = datetime.fromisoformat(time) if isinstance(time, str) else time
    except ValueError as error:
        raise UsageError(
            f"`{time}` is no time", hint="write it as `2026-01-31` or `2026-01-31 05:00`, in UTC"
        ) from error
    return found.astimezone(UTC).replace(tzinfo=None) if found.tzinfo else found


def _faults(block: Block, span: Span, now: datetime) -> Iterator[Problem]:
    interval, whole, place = block.config.interval, whole_of(block.config, now), Place(block.source.path)
    assert interval is not None
    for moment in (span.start, span.end):
        if floor(moment, interval) != moment:
            before = written(floor(moment, interval))
            yield Problem(
                f"`{block.name}` has no border of intervals at {written(moment)}",
                place,
                f"the {interval} that holds it begins at {before}",
            )
    if span.start < whole.start or span.end > whole.end:
        hint = f"it has those from {whole}" if not whole.is_empty else ""
        yield Problem(f"`{block.name}` has not all the intervals of {span}, or they have not ended yet", place, hint)


def refuse_unbuildable(plan: Plan, asked: AskedRanges) -> None:
    """Raise BuildError or TargetError for what keeps a plan from being done, and UsageError for a backfill of a block that
    would have nothing but the intervals that are asked for, since its query has changed.
    """
    published = plan.cookbook.published if plan.cookbook else {}
    changed = [
        name for name in sorted(asked.blocks) if name in published and name in plan.ranges and name not in plan.bases
    ]
    if changed:
        hint = f"`sqlflow build {changed[0]}{plan.project.environment.flag}` builds it anew, from its `start`"
        place = Place(plan.block(changed[0]).source.path)
        raise UsageError(Problem(f"what is there of `{changed[0]}` was made by another query", place, hint))
    files = {plan.block(name).source.path for name in {*plan.nodes, *plan.borrowed}}
    taken = [problem for problem in plan.problems if problem.place and problem.place.path in files]
    if taken:
        raise BuildError(taken)
    if plan.lacking:
        raise TargetError(plan.lacking)
