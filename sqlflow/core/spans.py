"""Spans of time on the borders of hours, days, weeks or months; all times are UTC, without a zone.

A span holds its start and not its end, so that spans side by side share no moment and leave none out.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Literal

from msgspec import Struct

Interval = Literal["hour", "day", "week", "month"]
_LENGTHS = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(weeks=1)}
_MONDAY = datetime(2000, 1, 3)


class Span(Struct, frozen=True, order=True):
    """The time from `start` up to `end`, without it.

    >>> str(Span(datetime(2026, 1, 5), datetime(2026, 1, 8)))
    '2026-01-05 to 2026-01-08'
    """

    start: datetime
    end: datetime

    @property
    def is_empty(self) -> bool:
        return self.start >= self.end

    def within(self, other: "Span") -> "Span":
        """Return what two spans share; an empty span if that is nothing."""
        return Span(max(self.start, other.start), min(self.end, other.end))

    def __str__(self) -> str:
        return f"{written(self.start)} to {written(self.end)}"


def written(moment: datetime) -> str:
    """Return a moment as SQL reads it: a date alone where it is midnight.

    >>> written(datetime(2026, 1, 5)), written(datetime(2026, 1, 5, 7))
    ('2026-01-05', '2026-01-05 07:00:00')
    """
    text = moment.isoformat(sep=" ", timespec="seconds")
    return text.removesuffix(" 00:00:00")


def floor(moment: datetime, interval: Interval) -> datetime:
    """Return the beginning of the interval that holds a moment; weeks begin on Monday.

    >>> str(floor(datetime(2026, 1, 7, 12), "week"))
    '2026-01-05 00:00:00'
    """
    if interval == "month":
        return datetime(moment.year, moment.month, 1)
    length = _LENGTHS[interval]
    return moment - (moment - _MONDAY) % length


def shifted(border: datetime, intervals: int, interval: Interval) -> datetime:
    """Return the border so many intervals later, or earlier if that is negative; the first or last that there is at most.

    >>> str(shifted(datetime(2026, 1, 1), -2, "month"))
    '2025-11-01 00:00:00'
    """
    try:
        if interval != "month":
            return border + intervals * _LENGTHS[interval]
        months = border.year * 12 + border.month - 1 + intervals
        return datetime(months // 12, months % 12 + 1, 1)
    except (OverflowError, ValueError):
        return datetime.min if intervals < 0 else datetime.max


def intervals(span: Span, interval: Interval) -> int:
    """Return how many intervals a span between two borders holds.

    >>> intervals(Span(datetime(2026, 1, 1), datetime(2026, 3, 1)), "month")
    2
    """
    start, end = span.start, span.end
    if interval == "month":
        return (end.year - start.year) * 12 + end.month - start.month
    return (end - start) // _LENGTHS[interval]


def joined(spans: Iterable[Span]) -> list[Span]:
    """Return the same time as the fewest spans, in order.

    >>> day = lambda number: datetime(2026, 1, number)
    >>> [str(span) for span in joined([Span(day(3), day(5)), Span(day(1), day(3)), Span(day(8), day(9))])]
    ['2026-01-01 to 2026-01-05', '2026-01-08 to 2026-01-09']
    """
    found: list[Span] = []
    for span in sorted(span for span in spans if not span.is_empty):
        if found and span.start <= found[-1].end:
            found[-1] = Span(found[-1].start, max(found[-1].end, span.end))
        else:
            found.append(span)
    return found


def without(span: Span, taken: Iterable[Span]) -> list[Span]:
    """Return what of a span is in none of the others, in order.

    >>> day = lambda number: datetime(2026, 1, number)
    >>> [str(span) for span in without(Span(day(1), day(9)), [Span(day(2), day(4)), Span(day(8), day(12))])]
    ['2026-01-01 to 2026-01-02', '2026-01-04 to 2026-01-08']
    """
    found, start = [], span.start
    for other in joined(taken):
        found.append(Span(start, min(other.start, span.end)))
        start = max(start, other.end)
    return [rest for rest in (*found, Span(start, span.end)) if not rest.is_empty]


def batches(span: Span, size: int | None, interval: Interval) -> Iterator[Span]:
    """Yield a span in pieces of at most `size` intervals; whole if there is no size.

    >>> year = Span(datetime(2026, 1, 1), datetime(2027, 1, 1))
    >>> [piece.start.month for piece in batches(year, 5, "month")]
    [1, 6, 11]
    """
    start = span.start
    while size and shifted(start, size, interval) < span.end:
        yield Span(start, shifted(start, size, interval))
        start = shifted(start, size, interval)
    yield Span(start, span.end)
