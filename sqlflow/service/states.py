"""The states of a run, and which follows which: the one table that every change of a run goes by.

    queued ──► waiting ──► running ──► succeeded
       │          │  ▲        │ ├────► warned
       │          │  └─retry──┤ ├────► failed
       │          │           │ ├────► cancelled
       └──────────┴─cancel──► │ └────► lost

A run whose attempt has failed or was lost, and that may be tried again, waits for its next attempt.
"""

from typing import Literal

RunStatus = Literal["queued", "waiting", "running", "succeeded", "warned", "failed", "cancelled", "lost"]

NEXT: dict[RunStatus, frozenset[RunStatus]] = {
    "queued": frozenset({"waiting", "running", "failed", "cancelled"}),
    "waiting": frozenset({"queued", "running", "failed", "cancelled"}),
    "running": frozenset({"waiting", "succeeded", "warned", "failed", "cancelled", "lost"}),
    "succeeded": frozenset(),
    "warned": frozenset(),
    "failed": frozenset(),
    "cancelled": frozenset(),
    "lost": frozenset(),
}
"""What may follow each state. What has ended never changes: a retry that is asked for is a run of its own."""

STATUSES: tuple[RunStatus, ...] = tuple(NEXT)
ENDED: tuple[RunStatus, ...] = tuple(status for status, after in NEXT.items() if not after)
ACTIVE: tuple[RunStatus, ...] = tuple(status for status, after in NEXT.items() if after)
GOOD: tuple[RunStatus, ...] = ("succeeded", "warned")


def before(status: RunStatus) -> tuple[RunStatus, ...]:
    """Return the states from which a run may come to a state.

    >>> before("running")
    ('queued', 'waiting')
    """
    return tuple(one for one, after in NEXT.items() if status in after)
