"""Works through the nodes of a plan side by side, each after what it waits for, until all are done or a signal comes."""

import heapq
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from itertools import count

from sqlflow.core.errors import Cancelled, SqlflowError
from sqlflow.plan.plan import Plan
from sqlflow.run.attempts import Attempts
from sqlflow.run.finish import Done
from sqlflow.run.order import Node, edges
from sqlflow.run.pools import Ready
from sqlflow.run.tally import Later, Outcome, Tally

REST_SECONDS = 1.0
"""Where nothing is worked on for this long, sessions and processes are given back meanwhile."""


@dataclass
class Loop:
    """The nodes of one run in the order in which they can be worked on."""

    plan: Plan
    threads: int
    attempts: Attempts
    tally: Tally
    done: Done = field(default_factory=queue.SimpleQueue)
    later: list[tuple[float, int, Node]] = field(default_factory=list)
    """What takes no worker until its time comes, by the monotonic clock."""
    numbers: "count[int]" = field(default_factory=count)

    def run(self) -> None:
        """Work on every node, and keep in the tally what became of it. Raise Cancelled for a signal."""
        waits = edges(self.plan)
        sorter: TopologicalSorter[Node] = TopologicalSorter(waits)
        sorter.prepare()
        ready = Ready(self.plan, waits)
        at_once = self.threads if ready.has_urgent else len(waits)
        pool = ThreadPoolExecutor(self.threads, thread_name_prefix="sqlflow")
        try:
            running = 0
            while sorter.is_active():
                for fresh in (*sorter.get_ready(), *self._due()):
                    ready.add(fresh, self.attempts.is_waiting(fresh))
                skipped = False
                while running < at_once and (node := ready.taken()) is not None:
                    if self.tally.is_skipped(node):
                        ready.leave(node)
                        sorter.done(node)
                        skipped = True
                    else:
                        pool.submit(self._work_on, node)
                        running += 1
                if skipped or not (done := self._next(running)):
                    continue
                running -= 1
                ready.leave(done[0])
                if self._is_over(*done):
                    sorter.done(done[0])
        except Cancelled:
            self.tally.stopping = "cancelled"
            wound_up(pool, self.attempts.interrupt)
            raise
        finally:
            pool.shutdown()
            self.attempts.close()

    def _is_over(self, node: Node, outcome: Outcome) -> bool:
        """Take what a worker has made of a node; False if it is to be worked on again later."""
        if isinstance(outcome, Later):
            heapq.heappush(self.later, (time.monotonic() + outcome.seconds, next(self.numbers), node))
            return False
        self.tally.take(node, outcome)
        return True

    def _due(self) -> list[Node]:
        """Return the nodes whose time has come again: all that are left if nothing more is begun, to be skipped."""
        now, due = time.monotonic(), []
        while self.later and (self.tally.stopping or self.later[0][0] <= now):
            due.append(heapq.heappop(self.later)[2])
        return due

    def _next(self, running: int) -> "tuple[Node, Outcome] | None":
        """Return what a worker has finished; None where a node is to be tried again before. Raise Cancelled for a signal."""
        seconds = max(0.0, self.later[0][0] - time.monotonic()) if self.later else None
        if not running and seconds is not None and seconds >= REST_SECONDS:
            self.attempts.rest()
        try:
            node, outcome = self.done.get(timeout=seconds)
        except queue.Empty:
            return None
        if isinstance(outcome, Cancelled):
            raise outcome
        assert node is not None
        return node, outcome

    def _work_on(self, node: Node) -> None:
        """Build or check in a worker's thread; whatever is raised is handed to the main thread."""
        try:
            self.done.put((node, self.attempts.outcome(node)))
        except SqlflowError as error:
            self.tally.failed()
            self.done.put((node, error))
        except BaseException as error:  # noqa: BLE001  a worker must not die unheard
            self.done.put((node, internal(error)))


def wound_up(pool: ThreadPoolExecutor, interrupt: Callable[[], None]) -> None:
    """Interrupt all that works until it has ended: a statement may begin after its interruption."""
    ended = threading.Event()

    def wait() -> None:
        pool.shutdown(cancel_futures=True)
        ended.set()

    threading.Thread(target=wait, daemon=True).start()
    while not ended.wait(0.02):
        interrupt()


def internal(error: BaseException) -> SqlflowError:
    """Return what a thread was ended by as a fault of ours."""
    fault = SqlflowError(f"internal error: {type(error).__name__}: {error}", hint="please report it, with `--debug`")
    fault.__cause__ = error
    return fault
