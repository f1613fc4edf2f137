"""Who may change an environment: one run at a time, and none that somebody else has overtaken.

The lease is a row of the state with the run that has it. A holder shows that it lives by changing `heartbeat` every few
seconds. A waiting run takes over when the engine knows that the holder has ended, or when it has itself seen the same
heartbeat for too long: no two clocks are compared. Whoever was overtaken finds another owner in the row when it wants to
publish, in the publishing transaction itself, and cannot.

Each environment has a lease of its own: where the engine lets two processes write, environments are built side by side.
Versions are shared by all of them, so that none may go while a run of another environment may be about to use it.
"""

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any

from msgspec import Struct, field

from sqlflow.core.engine import Connection, Holder, Session
from sqlflow.core.environment import PROD, Environment
from sqlflow.core.errors import BusyError, StatementError, TargetError, UsageError
from sqlflow.core.names import literal
from sqlflow.run import state
from sqlflow.run.signals import unheard

BEAT_SECONDS = 3.0
DEAD_SECONDS = 12.0
"""How long the same heartbeat must have been seen to take the holder for dead."""


_over: deque[str] = deque(maxlen=1000)
"""The last runs of this process that have ended. No engine can tell that of a process that lives."""


class Lease(Struct):
    """The right of one run to change the environment, as long as nobody has overtaken it."""

    owner: str
    environment: Environment = PROD
    interrupted: Holder | None = None
    """The run that had the lease before and has not given it back."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def confirm(self, session: Session) -> None:
        """Raise BusyError if another run has the lease; else nobody can take it before the session's transaction ends."""
        session.execute(f"update {state.LEASES} set heartbeat = {literal(state.now())} where {self._mine}")
        holder = _holder(session, self.environment)
        if holder is None or holder.run != self.owner:
            raise _overtaken(holder)

    @property
    def _mine(self) -> str:
        return f"{state.of(self.environment)} and run = {literal(self.owner)}"

    def beat(self, session: Session) -> None:
        """Show that the run lives."""
        with self.lock, suppress(StatementError):  # the next beat tries again; being overtaken is told by `confirm`
            session.execute(f"update {state.LEASES} set heartbeat = {literal(state.now())} where {self._mine}")

    def give_back(self, session: Session) -> None:
        with suppress(StatementError):  # whoever comes next finds out that the run has ended
            session.execute(f"update {state.LEASES} set run = '' where {self._mine}")


class Taking:
    """The tries of one run to get the lease; it remembers since when the holder's heart stands still."""

    def __init__(self, connection: Connection, session: Session, environment: Environment, owner: str) -> None:
        self.connection = connection
        self.session = session
        self.environment = environment
        self.owner = owner
        self.seen: tuple[Holder, str] | None = None
        self.seen_at = 0.0

    def __call__(self) -> Lease:
        """Return the lease. Raise BusyError, with its holder, while another run has it."""
        here = state.of(self.environment)
        run, host, pid, since, heartbeat, sequence = self._row(here)
        holder = Holder(host, pid, run, str(since)) if run else None
        if run == self.owner:
            hint = "give the blocks of both the same `target`"
            raise UsageError("two targets of the project are the same database", hint=hint)
        if holder is not None and not self._has_ended(holder, str(heartbeat)):
            raise _busy(holder)
        import socket

        try:
            with self.session.transaction():
                _one_at_a_time(self.session)
                self.session.execute(
                    f"update {state.LEASES} set run = {literal(self.owner)}, host = {literal(socket.gethostname())},"
                    f" pid = {os.getpid()}, since = {literal(state.now())}, heartbeat = {literal(state.now())},"
                    f" sequence = {sequence + 1} where {here} and sequence = {sequence}"
                )
        except StatementError as error:  # another run has taken it in this moment
            raise _busy(holder) from error
        now = _holder(self.session, self.environment)
        if now is None or now.run != self.owner:
            raise _busy(now)
        return Lease(self.owner, self.environment, holder)

    def _row(self, here: str) -> tuple[Any, ...]:
        """Return the lease's row; it is made where the environment has never been built."""
        query = f"select run, host, pid, since, heartbeat, sequence from {state.LEASES} where {here}"
        found = self.session.rows(query).rows
        if found:
            return found[0]
        row = f"select {literal(self.environment.name)}, '', '', 0, null, null, 0"
        try:
            with self.session.transaction():
                _one_at_a_time(self.session)
                self.session.execute(f"insert into {state.LEASES} {row} where not exists ({query})")
        except StatementError as error:  # another run makes it in this moment
            raise _busy(None) from error
        return self.session.rows(query).rows[0]

    def _has_ended(self, holder: Holder, heartbeat: str) -> bool:
        if _is_over(holder, self.connection):
            return True
        if self.seen != (holder, heartbeat):
            self.seen, self.seen_at = (holder, heartbeat), time.monotonic()
        return time.monotonic() - self.seen_at >= DEAD_SECONDS


class Leases(Struct, frozen=True):
    """Which run has which lease, and how often each has been taken, at one time."""

    rows: frozenset[tuple[str, str, int]]

    @classmethod
    def now(cls, session: Session) -> "Leases":
        return cls(frozenset(session.rows(f"select environment, run, sequence from {state.LEASES}").rows))

    @property
    def are_free(self) -> bool:
        """Tell whether no run has any: nothing is being changed, and nothing was left half done."""
        return not any(run for _, run, _ in self.rows)

    def until(self, lease: Lease, session: Session) -> bool:
        """Tell whether nothing can have been changed until `lease` was taken: it was the next one."""
        name = lease.environment.name
        mine = {(name, lease.owner, sequence + 1) for other, _, sequence in self.rows if other == name}
        others = {row for row in self.rows if row[0] != name}
        return self.are_free and bool(mine) and Leases.now(session).rows == others | mine


def _one_at_a_time(session: Session) -> None:
    """Let others who ask for the same wait until the session's transaction ends."""
    session.execute(f"update {state.table_of('sqlflow_state')} set form = {state.FORM}")


def _holders(session: Session, condition: str) -> list[Holder]:
    found = session.rows(f"select host, pid, run, since from {state.LEASES} where {condition} and run <> ''").rows
    return [Holder(host, pid, run, str(since)) for host, pid, run, since in found]


def _holder(session: Session, environment: Environment) -> Holder | None:
    return next(iter(_holders(session, state.of(environment))), None)


def refuse_others(connection: Connection, session: Session, environment: Environment) -> None:
    """Raise BusyError if another environment is being built; else none can begin before the session's transaction ends."""
    _one_at_a_time(session)
    for holder in _holders(session, f"not {state.of(environment)}"):
        if not _is_over(holder, connection):
            raise _busy(holder)


def over(run: str) -> None:
    """Remember that a run of this process has ended: should its lease not have been given back, it is free."""
    _over.append(run)


def _is_over(holder: Holder, connection: Connection) -> bool:
    return holder.run in _over or connection.has_ended(holder)


def described(holder: Holder) -> str:
    """Return who a run is, for people."""
    return f"run {holder.run} (pid {holder.pid} on {holder.host}), running since {holder.since[:19]} UTC"


def _busy(holder: Holder | None) -> BusyError:
    who = f"another build: {described(holder)}" if holder else "another build, which has just begun"
    return BusyError(f"the target is held by {who}", hint="wait for it with a longer `--lock-timeout`, or stop it")


def _overtaken(holder: Holder | None) -> BusyError:
    who = described(holder) if holder else "another build"
    return BusyError(
        f"this run was taken for dead and overtaken by {who}: it must not publish",
        hint="nothing is lost: what this run has built is used again by the next one",
    )


class _Heart(Struct):
    """The session that shows that a run lives; another one once it has broken, as when the server was started again."""

    open_session: Callable[[], Session]
    session: Session | None = None

    def reaches(self, show: Callable[[Session], None]) -> bool:
        """Do something in the target, and tell whether the target was there for it."""
        try:
            self.session = self.session or self.open_session()
            show(self.session)
        except TargetError:
            self.close()
            return False
        return True

    def close(self) -> None:
        if self.session is not None:
            self.session.close()
            self.session = None


@contextmanager
def beating(lease: Lease, session: Callable[[], Session]) -> Iterator[None]:
    """Show in the background that the run lives, and give the lease back in the end."""
    ended = threading.Event()

    def beat() -> None:
        with closing(_Heart(session)) as heart:
            while not ended.wait(BEAT_SECONDS):
                heart.reaches(lease.beat)
            if not heart.reaches(lease.give_back):
                heart.reaches(lease.give_back)

    thread = threading.Thread(target=beat, name="sqlflow-lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        with unheard():
            thread.join()
