"""Blocks of time ranges: which of their intervals are missing, and what their next version is put together from.

Each batch of intervals becomes a part: a table of its own, that never changes. A version is a query over slices of parts,
and its slices are the ledger of the intervals that are finished. So nothing is copied to go on, versions share parts, and
what is cut off loses no more than the part that was in work.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from msgspec import Struct, field
from msgspec.structs import replace

from sqlflow.core.block import Block
from sqlflow.core.config import BlockConfig
from sqlflow.core.names import TableName
from sqlflow.core.spans import Span, batches, floor, intervals, joined, shifted, without
from sqlflow.plan.current import Current, Made, Slice
from sqlflow.plan.incremental import base_of
from sqlflow.plan.origins import hashed
from sqlflow.plan.versions import INTERVALS, Key

_SPANS_TOLD = 3
_TOGETHER = 10
"""So many slices side by side, of the same order of magnitude, become one: a query over 1,000 tables takes 70 ms of CPU
time on DuckDB before it reads a row, one over 40 takes 2."""


class AskedRanges(Struct, frozen=True):
    """What is asked of blocks of time ranges beside what they lack: a `span` to build of the `blocks`, whatever is there.

    With `only_missing`, what of the span is not there. With `as_shown`, nothing at all: what is shown is good as it is.
    """

    blocks: frozenset[TableName] = frozenset()
    span: Span | None = None
    only_missing: bool = False
    as_shown: bool = False


NOTHING_ASKED = AskedRanges()


class Ranges(Struct, frozen=True):
    """How a block gets a version: `stays` of the one it goes on from, and `batches` to build, none in the time of another.

    `keys` are those of the batches' parts, and `found` the parts that a run which was cut off has left. `reads` is what
    counts from now on as read by all of the version.
    """

    stays: tuple[Slice, ...]
    batches: tuple[Span, ...]
    keys: Mapping[Span, str]
    found: Mapping[Span, TableName]
    reads: tuple[tuple[str, str], ...]
    why: str = ""
    """Why there is something to build; empty where what has changed tells that."""

    @property
    def told(self) -> str:
        """What is built, in words."""
        spans = [span for span in joined(self.batches) if not span.is_empty]
        more = [f"{len(spans) - _SPANS_TOLD} more"] if len(spans) > _SPANS_TOLD else []
        words = ", ".join([*map(str, spans[:_SPANS_TOLD]), *more]) or "no interval"
        number = len(self.batches)
        return f"builds {words}{f' in {number} batches' if number > len(spans) and number > 1 else ''}"


def whole_of(config: BlockConfig, now: datetime) -> Span:
    """Return the time of all finished intervals of a block: from its `start` up to its `end`, or up to the interval of `now`."""
    assert config.start and config.interval
    now = now.astimezone(UTC).replace(tzinfo=None) if now.tzinfo else now
    start, end = datetime.fromisoformat(config.start), floor(now, config.interval)
    end = min(end, datetime.fromisoformat(config.end)) if config.end else end
    return Span(start, max(start, end))


def first_of(config: BlockConfig) -> Span:
    """Return the first interval of a block."""
    assert config.start and config.interval
    start = datetime.fromisoformat(config.start)
    return Span(start, shifted(start, 1, config.interval))


class Continued(Struct, frozen=True):
    """The key of what a block of time ranges gives now, the version that it goes on from, and how it gets there.

    Without `ranges` it is that version.
    """

    key: Key
    base: TableName | None
    ranges: Ranges | None


def continued(
    block: Block, key: Key, current: Current, now: datetime, asked: AskedRanges = NOTHING_ASKED, full_refresh: bool = False
) -> Continued:  # fmt: skip
    """Return how a block of time ranges goes on, given its key and the time."""
    base = None if full_refresh else _base(block, key, current)
    ranges = _ranges(block, key, base, current, now, asked, full_refresh)
    if ranges is None:
        assert base is not None
        return Continued(
            replace(key, text=base.key, inputs=_with(key, base.inputs.get(INTERVALS, "")), unknown=""),
            base.relation,
            None,
        )
    slices = [f"{one.part} {one.span}" for one in ranges.stays]
    state = hashed(base.relation.name if base else "", *slices, *map(str, ranges.batches))
    text = hashed(key.text, state) if key.text else ""
    return Continued(replace(key, text=text, inputs=_with(key, state)), base.relation if base else None, ranges)


def _with(key: Key, state: str) -> tuple[tuple[str, str], ...]:
    return tuple(sorted({**dict(key.inputs), INTERVALS: state}.items()))


def _base(block: Block, key: Key, current: Current) -> Made | None:
    """Return the version to go on from: the one that is shown, or else the latest that the same code made from the same."""
    shown = base_of(block, key, current)
    there = [made for made in current.made if made.slices]
    own = next((made for made in there if made.relation == shown), None)
    same = [made for made in there if made.code == key.code and not key.unknown and not _has_other_inputs(made, key)]
    return own or (same[-1] if same else None)


def _has_other_inputs(made: Made, key: Key) -> bool:
    return {name: version for name, version in made.inputs.items() if name != INTERVALS} != dict(key.inputs)


def left_alone(made: Made, key: Key) -> str:
    """Return why a version is used again; empty where it was made from what there is now."""
    before = dict(made.inputs)
    others = [
        f"`{name}`" for name, version in key.inputs if name != INTERVALS and version != (before.get(name) or None)
    ]
    return f"its intervals are there: what changes in {', '.join(others)} builds none again" if others else ""


def _ranges(
    block: Block, key: Key, base: Made | None, current: Current, now: datetime, asked: AskedRanges, full_refresh: bool
) -> Ranges | None:  # fmt: skip
    """Return how a block gets its next version; None if the one that it goes on from is as it should be."""
    if base is not None and base.code == key.code and asked.as_shown:
        return None
    whole = whole_of(block.config, now)
    there = tuple(one for one in base.slices if not one.span.is_empty) if base else ()
    stays = cut(there, whole)
    missing = without(whole, (one.span for one in stays))
    is_backfill = block.name in asked.blocks and asked.span is not None
    wanted = list(missing)
    if is_backfill:
        assert asked.span is not None
        wanted = [span.within(asked.span) for span in missing] if asked.only_missing else [asked.span.within(whole)]
    elif base is not None and (key.unknown or _has_other_inputs(base, key)):
        wanted.append(_lookback(block.config, whole))
    wanted = joined(wanted)
    if base is not None and not wanted and stays == there:
        return None
    if not wanted and not stays:
        wanted = [Span(whole.start, whole.start)]
    pieces = tuple(piece for span in wanted for piece in _batches(block.config, span))
    keys = {span: _part_key(key, span, str(asked.span) if is_backfill else "") for span in pieces}
    left = {part.key: part.relation for part in current.parts} if not full_refresh else {}
    found = {span: left[part_key] for span, part_key in keys.items() if part_key in left}
    is_as_it_was = stays == there
    stays = tuple(one for one in overlaid(stays, [Slice(span, "") for span in pieces]) if one.part)
    reads = tuple(base.inputs.items()) if base is not None and is_backfill else key.inputs
    why = "backfill" if is_backfill else "" if base is None else _why(missing, is_as_it_was)
    return Ranges(stays, pieces, keys, found, tuple(read for read in reads if read[0] != INTERVALS), why)


def _why(missing: list[Span], is_as_it_was: bool) -> str:
    if missing:
        return "intervals are missing"
    return "" if is_as_it_was else "its `start` or `end` is another"


def _lookback(config: BlockConfig, whole: Span) -> Span:
    assert config.interval
    return Span(max(whole.start, shifted(whole.end, -config.lookback, config.interval)), whole.end)


def _batches(config: BlockConfig, span: Span) -> Iterable[Span]:
    assert config.interval
    return batches(span, config.batch_size, config.interval)


def _part_key(key: Key, span: Span, asked: str) -> str:
    """Return under what a part is found again by the next run of the same kind, if this one is cut off."""
    return hashed("part", key.code, repr(key.inputs), str(span), asked)


def cut(slices: Iterable[Slice], whole: Span) -> tuple[Slice, ...]:
    """Return what of slices lies in a span."""
    found = (replace(one, span=one.span.within(whole)) for one in slices)
    return tuple(one for one in found if not one.span.is_empty)


def overlaid(slices: Iterable[Slice], others: Iterable[Slice]) -> tuple[Slice, ...]:
    """Return `others`, and what of `slices` none of them takes the place of, in order."""
    new = [one for one in others if not one.span.is_empty]
    taken = [one.span for one in new]
    stays = (replace(one, span=rest) for one in slices for rest in without(one.span, taken))
    return tuple(sorted((*stays, *new)))


class Group(Struct, frozen=True):
    """Slices side by side that become one part; one slice alone stays what it is."""

    slices: tuple[Slice, ...]
    size: int = field(default=1)
    """The power of ten up to which its number of intervals goes."""

    @property
    def span(self) -> Span:
        return Span(self.slices[0].span.start, self.slices[-1].span.end)


def grouped(slices: Iterable[Slice], config: BlockConfig) -> tuple[Group, ...]:
    """Return slices in groups, so that few tables are left: ten side by side that are no larger than each other become one.

    So each row is copied once for each power of ten of intervals that there are, at most.
    """
    assert config.interval
    groups = [Group((one,), _size(intervals(one.span, config.interval))) for one in sorted(slices)]
    size = 1
    while any(group.size >= size for group in groups):
        groups = _merged(groups, size)
        size *= _TOGETHER
    return tuple(groups)


def _size(number: int) -> int:
    size = 1
    while size * _TOGETHER <= number:
        size *= _TOGETHER
    return size


def _merged(groups: list[Group], size: int) -> list[Group]:
    """Return groups of which runs of ten, side by side and of at most a size, are one."""
    found: list[Group] = []
    run: list[Group] = []
    for group in groups:
        if run and (group.size > size or run[-1].span.end != group.span.start):
            found, run = [*found, *run], []
        if group.size > size:
            found.append(group)
            continue
        run.append(group)
        if len(run) == _TOGETHER:
            found.append(Group(tuple(one for member in run for one in member.slices), size * _TOGETHER))
            run = []
    return [*found, *run]
