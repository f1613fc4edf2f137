"""What happens in a run, told to listeners as typed values in the order in which it happens.

The core prints nothing: the terminal, the JSON lines and the tests listen to these.
Seconds are wall-clock seconds.
"""

from collections.abc import Callable, Mapping
from typing import Any, Literal

from msgspec import Struct, field

AssertionStatus = Literal["passed", "warned", "failed"]
UnitTestStatus = Literal["passed", "failed", "skipped"]
BlockStatus = Literal["built", "reused", "failed", "skipped", "cancelled"]


class Waiting(Struct, frozen=True):
    """Somebody else holds the target, as `message` says; the run has not begun. It waits for `seconds` at most."""

    message: str
    seconds: float


class RunWaiting(Struct, frozen=True):
    """The run has not begun: what its pipeline waits for has not come, as `reason` says. It waits `seconds` at most."""

    reason: str
    seconds: float


class RunStarted(Struct, frozen=True):
    """`pools` says how many places the run takes at most in each pool that has a size, where it takes any."""

    run: str
    target: str
    environment: str
    blocks: int
    assertions: int
    unit_tests: int = 0
    pools: Mapping[str, int] = field(default_factory=dict)


class BlockStarted(Struct, frozen=True):
    run: str
    block: str


class BlockBuilt(Struct, frozen=True):
    """`rows` is None where counting would mean running the query, as for a view."""

    run: str
    block: str
    materialize: str
    rows: int | None
    seconds: float


class IntervalsBuilt(Struct, frozen=True):
    """One of several batches of a block of time ranges is there: `span` as in `2026-01-05 to 2026-01-08`, without its end.

    `is_found` says that a run which was cut off has built it.
    """

    run: str
    block: str
    span: str
    is_found: bool
    seconds: float


class BlockReused(Struct, frozen=True):
    """A version that is there is used: nothing that the block is made from has changed."""

    run: str
    block: str


class BlockPrinted(Struct, frozen=True):
    """A line that the function of a block, or of an assertion on it, has printed."""

    run: str
    block: str
    line: str


class BlockTriedAgain(Struct, frozen=True):
    """Building has failed with `error`; try number `attempt` begins in `seconds`."""

    run: str
    block: str
    attempt: int
    seconds: float
    error: str


class BlockWaiting(Struct, frozen=True):
    """A block is ready but for what it waits for, as `reason` says; told once."""

    run: str
    block: str
    reason: str


class BlockFailed(Struct, frozen=True):
    run: str
    block: str
    error: str
    seconds: float


class BlockSkipped(Struct, frozen=True):
    run: str
    block: str
    reason: str


class AssertionFinished(Struct, frozen=True):
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


class UnitTestFinished(Struct, frozen=True):
    """`rows` counts the rows that are not as expected; `error` is set where the test could not be run."""

    run: str
    block: str
    test: str
    status: UnitTestStatus
    rows: int
    seconds: float
    error: str = ""


class Published(Struct, frozen=True):
    """A target shows what is new: all of it since one moment."""

    run: str
    relations: int
    seconds: float
    target: str


class Exported(Struct, frozen=True):
    """A file holds what is published of a block now, or a table of another target has got it: `path` is what it is called."""

    run: str
    block: str
    path: str
    rows: int


class NotPublished(Struct, frozen=True):
    run: str
    reason: str


class Warned(Struct, frozen=True):
    """Something worth a look that stops nothing."""

    run: str
    message: str


class RunFinished(Struct, frozen=True):
    run: str
    status: Literal["succeeded", "warned", "failed", "cancelled"]
    seconds: float


Event = (
    Waiting | RunWaiting | RunStarted | BlockStarted | BlockBuilt | IntervalsBuilt | BlockReused | BlockPrinted | BlockTriedAgain | BlockWaiting | BlockFailed | BlockSkipped
    | AssertionFinished | UnitTestFinished
    | Published | Exported | NotPublished | Warned | RunFinished
)  # fmt: skip
Listener = Callable[[Event], None]
