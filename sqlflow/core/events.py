"""What happens in a run, told to listeners as typed values in the order in which it happens.

The core prints nothing: the terminal, the JSON lines and the tests listen to these.
Seconds are wall-clock seconds.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

AssertionStatus = Literal["passed", "warned", "failed"]
UnitTestStatus = Literal["passed", "failed", "skipped"]
BlockStatus = Literal["built", "reused", "failed", "skipped", "cancelled"]


@dataclass(frozen=True, slots=True)
class Waiting:
    """Somebody else holds the target, as `message` says; the run has not begun. It waits for `seconds` at most."""

    message: str
    seconds: float


@dataclass(frozen=True, slots=True)
class RunWaiting:
    """The run has not begun: what its pipeline waits for has not come, as `reason` says. It waits `seconds` at most."""

    reason: str
    seconds: float


@dataclass(frozen=True, slots=True)
class RunStarted:
    """`pools` says how many places the run takes at most in each pool that has a size, where it takes any."""

    run: str
    target: str
    environment: str
    blocks: int
    assertions: int
    unit_tests: int = 0
    pools: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BlockStarted:
    run: str
    block: str


@dataclass(frozen=True, slots=True)
class BlockBuilt:
    """`rows` is None where counting would mean running the query, as for a view."""

    run: str
    block: str
    materialize: str
    rows: int | None
    seconds: float


@dataclass(frozen=True, slots=True)
class IntervalsBuilt:
    """One of several batches of a block of time ranges is there: `span` as in `2026-01-05 to 2026-01-08`, without its end.

    `is_found` says that a run which was cut off has built it.
    """

    run: str
    block: str
    span: str
    is_found: bool
    seconds: float


@dataclass(frozen=True, slots=True)
class BlockReused:
    """A version that is there is used: nothing that the block is made from has changed."""

    run: str
    block: str


@dataclass(frozen=True, slots=True)
class BlockPrinted:
    """A line that the function of a block, or of an assertion on it, has printed."""

    run: str
    block: str
    line: str


@dataclass(frozen=True, slots=True)
class BlockTriedAgain:
    """Building has failed with `error`; try number `attempt` begins in `seconds`."""

    run: str
    block: str
    attempt: int
    seconds: float
    error: str


@dataclass(frozen=True, slots=True)
class BlockWaiting:
    """A block is ready but for what it waits for, as `reason` says; told once."""

    run: str
    block: str
    reason: str


@dataclass(frozen=True, slots=True)
class BlockFailed:
    run: str
    block: str
    error: str
    seconds: float


@dataclass(frozen=True, slots=True)
class BlockSkipped:
    run: str
    block: str
    reason: str


@dataclass(frozen=True, slots=True)
class AssertionFinished:
    """`failing` counts the rows that break the assertion; `error` is set where it could not be run.

    `sample` holds a few of those rows, with the values of `columns`.
    """

    run: str
    block: str
    assertion: str
    status: AssertionStatus
    failing: int
    seconds: float
    error: str = ""
    columns: tuple[str, ...] = ()
    sample: tuple[tuple[Any, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class UnitTestFinished:
    """`rows` counts the rows that are not as expected; `error` is set where the test could not be run."""

    run: str
    block: str
    test: str
    status: UnitTestStatus
    rows: int
    seconds: float
    error: str = ""


@dataclass(frozen=True, slots=True)
class Published:
    """A target shows what is new: all of it since one moment."""

    run: str
    relations: int
    seconds: float
    target: str


@dataclass(frozen=True, slots=True)
class Exported:
    """A file holds what is published of a block now, or a table of another target has got it: `path` is what it is called."""

    run: str
    block: str
    path: str
    rows: int


@dataclass(frozen=True, slots=True)
class NotPublished:
    run: str
    reason: str


@dataclass(frozen=True, slots=True)
class Warned:
    """Something worth a look that stops nothing."""

    run: str
    message: str


@dataclass(frozen=True, slots=True)
class RunFinished:
    run: str
    status: Literal["succeeded", "warned", "failed", "cancelled"]
    seconds: float


Event = (
    Waiting | RunWaiting | RunStarted | BlockStarted | BlockBuilt | IntervalsBuilt | BlockReused | BlockPrinted | BlockTriedAgain | BlockWaiting | BlockFailed | BlockSkipped
    | AssertionFinished | UnitTestFinished
    | Published | Exported | NotPublished | Warned | RunFinished
)  # fmt: skip
Listener = Callable[[Event], None]
