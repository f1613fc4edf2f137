"""Works through the nodes of a plan side by side, each after what it waits for, until all are done or a signal comes."""

import queue
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from graphlib import TopologicalSorter

from sqlflow.core.errors import Cancelled, SqlflowError
from sqlflow.plan.plan import Plan
from sqlflow.run.attempts import Attempts
from sqlflow.run.order import Node, edges
from sqlflow.run.pools import Pools
from sqlflow.run.tally import Outcome, Tally


@dataclass
class Loop:
    """The nodes of one run in the order in which they can be worked on."""

    plan: Plan
    threads: int
    attempts: Attempts
    tally: Tally
    done: "queue.SimpleQueue[tuple[Node | None, Outcome]]" = field(default_factory=queue.SimpleQueue)
    """What workers have finished; no node and Cancelled for a signal."""
    pools: Pools = field(default_factory=Pools)

    def signal(self, exit_code: int) -> None:
        """Say that the run has been told to end. Any thread and any signal handler may call this."""
        self.done.put((None, Cancelled(exit_code)))

    def heard(self) -> Cancelled | None:
        """Return the signal that came when all work had been done."""
        with suppress(queue.Empty):
            return next(outcome for _, outcome in iter(self.done.get_nowait, None) if isinstance(outcome, Cancelled))
        return None

    def run(self) -> None:
        """Work on every node, and keep in the tally what became of it. Raise Cancelled for a signal."""
        waits = edges(self.plan)
        position = {node: number for number, node in enumerate(waits)}
        sorter: TopologicalSorter[Node] = TopologicalSorter(waits)
        sorter.prepare()
        pool = ThreadPoolExecutor(self.threads, thread_name_prefix="sqlflow")
        try:
            running = 0
            waiting: list[Node] = []
            while sorter.is_active():
                skipped = False
                ready = sorted((*waiting, *sorter.get_ready()), key=position.__getitem__)
                waiting = []
                for node in ready:
                    if self.tally.is_skipped(node):
                        sorter.done(node)
                        skipped = True
                    elif self.pools.taken(self.plan, node):
                        pool.submit(self._work_on, node)
                        running += 1
                    else:
                        waiting.append(node)
                if running and not skipped:
                    done, outcome = self.done.get()
                    if isinstance(outcome, Cancelled):
                        self._stop(pool)
                        raise outcome
                    assert done is not None
                    running -= 1
                    self.pools.leave(self.plan, done)
                    self.tally.take(done, outcome)
                    sorter.done(done)
        finally:
            pool.shutdown()
            self.attempts.close()

    def _stop(self, pool: ThreadPoolExecutor) -> None:
        """Interrupt every session until all work has ended: a statement may begin after its interruption."""
        self.tally.stopping = "cancelled"
        ended = threading.Event()

        def wait() -> None:
            pool.shutdown(cancel_futures=True)
            ended.set()

        threading.Thread(target=wait, daemon=True).start()
        while not ended.wait(0.02):
            self.attempts.interrupt()

    def _work_on(self, node: Node) -> None:
        """Build or check in a worker's thread; whatever is raised is handed to the main thread."""
        try:
            self.done.put((node, self.attempts.outcome(node)))
        except SqlflowError as error:
            self.tally.failed()
            self.done.put((node, error))
        except BaseException as error:  # noqa: BLE001  a worker must not die unheard
            self.done.put((node, _internal(error)))


def _internal(error: BaseException) -> SqlflowError:
    fault = SqlflowError(f"internal error: {type(error).__name__}: {error}", hint="please report it, with `--debug`")
    fault.__cause__ = error
    return fault
