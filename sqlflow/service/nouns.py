"""What the history knows: runs, their attempts and blocks, what they printed, ticks and schedules.

Times are aware datetimes in UTC; `seconds` are wall-clock seconds.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from msgspec import Struct, field

from sqlflow.core.events import AssertionStatus, BlockStatus
from sqlflow.service.states import ENDED, RunStatus

Cause = Literal["schedule", "after", "files", "query", "webhook", "manual", "retry"]
Outcome = Literal["fired", "skipped", "error"]
Freshness = Literal["fresh", "stale", "unknown"]


class Run(Struct, frozen=True):
    """One run of a pipeline. `reason` says why it waits, or why it ended as it did; `attempt` counts from 1 once it has begun.

    `key` names the tick or the trigger that asked for it (empty for people), `retry_of` the run whose failed part it is to
    build, `by` who has asked, and `build` the run in the target, as its state knows it.
    """

    id: str
    pipeline: str
    status: RunStatus
    cause: Cause
    requested_at: datetime
    key: str = ""
    by: str = ""
    vars: Mapping[str, Any] = field(default_factory=dict)
    due_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    attempt: int = 0
    reason: str = ""
    build: str = ""
    retry_of: str = ""
    cancel_by: str = ""

    @property
    def has_ended(self) -> bool:
        return self.status in ENDED

    @property
    def seconds(self) -> float | None:
        """How long it took, from its first attempt's begin to its end; None before the end."""
        if self.started_at is None or self.finished_at is None:
            return None
        return (self.finished_at - self.started_at).total_seconds()


class Attempt(Struct, frozen=True):
    """One process that ran a run. `exit_code` is None while it runs, and where nobody has seen it end."""

    run: str
    number: int
    status: RunStatus
    service: str
    host: str
    pid: int
    started_at: datetime
    heartbeat: datetime
    finished_at: datetime | None = None
    exit_code: int | None = None
    build: str = ""
    reason: str = ""


class BlockRun(Struct, frozen=True):
    """How it goes, or went, with one block in an attempt. `message` is its error, or why it was skipped."""

    run: str
    attempt: int
    block: str
    status: BlockStatus | Literal["running"]
    started_at: datetime | None = None
    seconds: float | None = None
    rows: int | None = None
    message: str = ""


class AssertionRun(Struct, frozen=True):
    """How it went with one assertion. `sample` holds a few of the `failing` rows, as texts under `columns`."""

    run: str
    attempt: int
    block: str
    assertion: str
    status: AssertionStatus
    failing: int
    seconds: float
    error: str = ""
    columns: tuple[str, ...] = ()
    sample: tuple[tuple[Any, ...], ...] = ()


class LogLine(Struct, frozen=True):
    """A line that a run has printed; `block` is empty where it is of no block. `id` grows: ask for what is after it."""

    id: int
    run: str
    attempt: int
    block: str
    at: datetime
    line: str


class RunEvent(Struct, frozen=True):
    """Something that happened in a run, or to it. `kind` is as in `sqlflow build --output jsonl`, or `run_` and a state."""

    id: int
    run: str
    attempt: int
    at: datetime
    kind: str
    body: Mapping[str, Any]


class Tick(Struct, frozen=True):
    """A time of a schedule, or a trigger, and what came of it. `key` is unique in its pipeline; `due_at` is the time meant."""

    pipeline: str
    key: str
    cause: Cause
    due_at: datetime
    recorded_at: datetime
    outcome: Outcome
    reason: str = ""
    run: str = ""


class ScheduleState(Struct, frozen=True):
    """What the history remembers of a pipeline: `since` when it is known as it is, and that ticks to `decided_to` are told."""

    pipeline: str
    since: datetime | None = None
    paused_at: datetime | None = None
    paused_by: str = ""
    decided_to: datetime | None = None
    definition: str = ""

    @property
    def is_paused(self) -> bool:
        return self.paused_at is not None


class Change(Struct, frozen=True):
    """Something that people may want to be told, once: it stays in the history until it is marked as told.

    `ended`: a run has ended (`body`: its `status` and `before`, the status of the pipeline's run before it, or "", and `was_late` if the
    pipeline was late or stale);
    `late`: no run of the day has ended well by the `deadline`; `stale`: the latest good result is of `since`, which is
    longer ago than `fresh_within` seconds. `data_stale` and `data_fresh` are of no pipeline: the data of a source or a block has
    become too old, or is fresh again (`body`: what `sqlflow freshness` tells of it).
    """

    id: int
    at: datetime
    kind: Literal["ended", "late", "stale", "data_stale", "data_fresh"]
    pipeline: str
    run: str
    body: Mapping[str, Any]


class DataAge(Struct, frozen=True):
    """How old the data of a source or a block is: `newest` is of when, `within` how many seconds old it may be.

    It is not known, for a `reason`, where `newest` is None. A source is in no `environment`. `pipelines` are those that build the
    block there, or read the source; `flags` are the options with which `sqlflow freshness` looks there.
    """

    name: str
    kind: Literal["source", "block"]
    target: str
    environment: str
    within: float
    newest: datetime | None = None
    reason: str = ""
    pipelines: tuple[str, ...] = ()
    flags: str = ""

    @property
    def key(self) -> str:
        """What no other one has."""
        place = f"{self.target}:{self.environment}" if self.environment not in ("", "prod") else self.target
        return f"{place}:{self.name}"

    @property
    def shown(self) -> str:
        """Its name for people, with the environment where that is not `prod`."""
        return f"{self.name} ({self.environment})" if self.environment not in ("", "prod") else self.name

    def seconds(self, now: datetime) -> float | None:
        """Return its age; None where it is not known."""
        return None if self.newest is None else (now - self.newest).total_seconds()

    def status(self, now: datetime) -> Freshness:
        """Return whether it is as young as it must be."""
        seconds = self.seconds(now)
        return "unknown" if seconds is None else "stale" if seconds > self.within else "fresh"


class DataAges(Struct, frozen=True):
    """How old data was when it was last asked; `asked_at` is None before that."""

    asked_at: datetime | None = None
    found: tuple[DataAge, ...] = ()


class RunFilter(Struct, frozen=True):
    """Which runs to list: of these pipelines, in these states, with this cause, asked for in this time; empty is any."""

    pipelines: tuple[str, ...] = ()
    statuses: tuple[RunStatus, ...] = ()
    causes: tuple[Cause, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
