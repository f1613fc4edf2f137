"""What building and checking in one run share."""

from collections.abc import Callable

from msgspec import Struct, field

from sqlflow.core.engine import Session
from sqlflow.core.events import Event, Listener
from sqlflow.core.names import TableName
from sqlflow.plan.plan import Plan
from sqlflow.read.render import Renderer
from sqlflow.run.compose import Binder
from sqlflow.run.elsewhere import Origins
from sqlflow.run.records import Records
from sqlflow.run.workers import Workers


def _unheard(event: Event) -> None:
    """Nobody listens."""


class Work(Struct, frozen=True):
    """One run, as the rooms of this floor see it."""

    run: str
    binder: Binder
    renderer: Renderer
    plan: Plan
    workers: Workers
    open_session: Callable[[], Session]
    tell: Listener = _unheard
    origins: Origins = field(default_factory=dict)
    """Where the blocks of other targets are."""
    at_work: list[Session] = field(default_factory=list)
    """The sessions of other targets that give rows now, so that they can be interrupted."""
    records: Records = field(default_factory=Records)
    doubtful: set[TableName] = field(default_factory=set)
    """Blocks that were built while a file that they read was changing, or whose function has reached outside of its inputs: their
    key does not tell what they hold."""
    reaching: set[str] = field(default_factory=set)
    """The keys of assertions whose function has reached outside of its inputs."""
    as_foreseen: set[TableName] = field(default_factory=set)
    """Blocks that were built and have the columns that they were expected to have."""
