"""Runs the unit tests of what a run builds before any of it is built, in whichever target, so that a fault is told in seconds."""

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from sqlflow.core.errors import BuildError, Cancelled, Problem, SqlflowError
from sqlflow.core.names import TableName
from sqlflow.plan.plan import Plan
from sqlflow.plan.unit_tests import tests_of
from sqlflow.run.finish import Done
from sqlflow.run.loop import internal, wound_up
from sqlflow.run.tally import Tally
from sqlflow.run.unit_tests import UnitTests


@dataclass
class TestedFirst:
    """What the unit tests of a run say; `tests` are by target."""

    tests: Mapping[str, UnitTests]
    tally: Tally
    threads: int
    done: Done
    refused: dict[TableName, SqlflowError] = field(default_factory=dict)
    """The blocks that must not be built, since one of their tests fails."""
    tested: set[TableName] = field(default_factory=set)
    _pool: ThreadPoolExecutor | None = None
    """Kept until all is done: the processes of functions, which are used again to build, end with the threads that began them."""

    def test(self, plans: Iterable[Plan]) -> None:
        """Run the tests of the blocks that are built, side by side; those that have run do not run again.

        Raise Cancelled for a signal.
        """
        due = [(self.tests[plan.project.target.name], name) for plan in plans for name in self._due(plan)]
        if not due:
            return
        self.tested.update(name for _, name in due)
        self._pool = pool = self._pool or ThreadPoolExecutor(self.threads, thread_name_prefix="sqlflow")
        try:
            for tests, name in due:
                pool.submit(self._test_block, tests, name)
            for _ in due:
                _, outcome = self.done.get()
                if isinstance(outcome, SqlflowError):
                    raise outcome
        except Cancelled:
            self.tally.stopping = "cancelled"
            wound_up(pool, self._interrupt)
            raise

    def close(self) -> None:
        """Close what was opened for tests alone, and end the processes of functions."""
        for tests in self.tests.values():
            tests.close()
        if self._pool is not None:
            self._pool.shutdown()

    def _due(self, plan: Plan) -> list[TableName]:
        if plan.project.target.name not in self.tests:
            return []
        names = {test.block for test in tests_of(plan.graph, plan.built)} - self.tested
        return [name for name in plan.built if name in names]

    def _test_block(self, tests: UnitTests, name: TableName) -> None:
        """Run the tests of a block in a worker's thread; what is no fault of the block is handed to the main thread."""
        try:
            if not self.tally.stopping:
                self._note(name, tests)
            self.done.put((name, None))
        except BaseException as error:  # noqa: BLE001  a worker must not die unheard
            self.done.put((name, internal(error)))

    def _note(self, name: TableName, tests: UnitTests) -> None:
        try:
            results = tests.results(name)
        except SqlflowError as error:
            self.refused[name] = error
            return
        self.tally.unit_tested += results
        failed = [result for result in results if result.status == "failed"]
        if failed:
            problems = (Problem(f"its unit test `{result.test}` fails", result.place) for result in failed)
            self.refused[name] = BuildError(problems)

    def _interrupt(self) -> None:
        for tests in self.tests.values():
            tests.workers.interrupt()
            for session in tuple(tests.sessions):
                session.interrupt()
