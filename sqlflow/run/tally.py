"""What has become of each block and each assertion of a run."""

import time
from typing import TYPE_CHECKING, Literal, TypeAlias

from msgspec import Struct, field
from msgspec.structs import replace

from sqlflow.core import events
from sqlflow.core.errors import Problem, SqlflowError, TargetError
from sqlflow.core.events import Listener
from sqlflow.core.names import TableName
from sqlflow.plan.graph import Graph
from sqlflow.plan.plan import Check, Plan
from sqlflow.run.report import AssertionResult, BlockResult, Report, RunStatus, UnitTestResult

if TYPE_CHECKING:
    from sqlflow.run.build import Built
    from sqlflow.run.order import Node


class Later(Struct, frozen=True):
    """What is worked on again in some seconds."""

    seconds: float


Outcome: TypeAlias = "Built | Later | AssertionResult | SqlflowError | Literal['not begun'] | None"


class Tally(Struct):
    """The results of one run while it lasts. Threads that work may write into it, each for its own node.

    `graph` is that of the whole project, `targets` are those of the run, for people.
    """

    graph: Graph
    targets: str
    run: str
    tell: Listener
    fail_fast: bool = False
    results: dict[TableName, BlockResult] = field(default_factory=dict)
    checked: dict[str, AssertionResult] = field(default_factory=dict)
    unit_tested: list[UnitTestResult] = field(default_factory=list)
    bad: dict[TableName, str] = field(default_factory=dict)
    """Blocks that will not be published, and why."""
    held_back: set[TableName] = field(default_factory=set)
    """Those of them that are there, and that an assertion holds back."""
    stopping: str = ""
    """Why nothing more is begun."""
    exit_code: int = 1
    """That of a run that fails: another one if it was the target that failed."""
    started: float = field(default_factory=time.perf_counter)
    inlined: set[TableName] = field(default_factory=set)
    left_out: set[TableName] = field(default_factory=set)
    checks: list[Check] = field(default_factory=list)

    def begin(self, plan: Plan) -> None:
        """Note what a plan says that is worked through now."""
        self.inlined |= plan.inlined
        self.checks += plan.checks
        for name, reason in plan.left_out.items():
            if name not in self.left_out:
                self.skip(name, reason)
        self.left_out |= plan.left_out.keys()

    def is_skipped(self, node: "Node") -> bool:
        """Tell whether a node cannot be worked on, and note why."""
        if isinstance(node, Check):
            return self._is_check_skipped(node)
        reason = self.stopping
        for name in sorted(self.graph.inputs[node]):
            if not reason and name in self.bad:
                reason = f"`{name}` {self.bad[name]}"
        if not reason:
            return False
        self.bad.setdefault(node, "was skipped")
        if node not in self.inlined:
            self.skip(node, reason)
        return True

    def skip(self, name: TableName, reason: str) -> None:
        """Note and tell that a block is not built."""
        self.results[name] = BlockResult(name, "skipped", reason=reason)
        self.tell(events.BlockSkipped(self.run, str(name), reason))

    def _is_check_skipped(self, check: Check) -> bool:
        # What the others of a block's own assertions say holds back its readers, and not the assertion.
        judged = check.gates & self.held_back if len(check.after) == 1 else frozenset()
        missing = sorted(name for name in check.after - judged if name in self.bad)
        if not missing and not self.stopping:
            return False
        assertion = check.assertion
        self.checked[assertion.key] = AssertionResult(
            assertion.name, str(assertion.block or ""), assertion.severity, "skipped", description=assertion.description
        )
        for name in check.gates:
            why = f"`{missing[0]}` {self.bad[missing[0]]}" if missing else self.stopping
            self._hold_back(name, f"could not be checked by `{assertion.name}`: {why}")
        return True

    def _hold_back(self, name: TableName, why: str) -> None:
        if name not in self.bad:
            self.bad[name] = why
            self.held_back.add(name)

    def take(self, node: "Node", outcome: Outcome) -> None:
        """Note and tell what a thread has made of a node."""
        if isinstance(outcome, TargetError):
            self.exit_code = outcome.exit_code
        if outcome == "not begun":
            self.is_skipped(node)
        elif isinstance(node, Check):
            self._take_check(node, outcome)
        elif isinstance(outcome, SqlflowError):
            self.bad[node] = "failed"
            self.results[node] = BlockResult(node, "failed", problems=outcome.problems)
            self.tell(events.BlockFailed(self.run, str(node), str(outcome), 0.0))

    def _take_check(self, node: Check, outcome: Outcome) -> None:
        assertion = node.assertion
        if isinstance(outcome, SqlflowError):
            outcome = AssertionResult(
                assertion.name, str(assertion.block or ""), assertion.severity, "failed", problems=outcome.problems
            )
        assert isinstance(outcome, AssertionResult)
        self.checked[assertion.key] = outcome
        error = "\n".join(map(str, outcome.problems))
        self.tell(
            events.AssertionFinished(
                self.run,
                outcome.block,
                outcome.assertion,
                _told_status(outcome),
                outcome.failing,
                outcome.seconds,
                error,
                outcome.columns,
                outcome.sample,
            )
        )
        if outcome.status == "failed":
            for name in node.gates:
                self._hold_back(name, f"failed its assertion `{assertion.name}`")

    def failed(self) -> None:
        """Begin nothing more, if the first failure is to stop the run."""
        if self.fail_fast and not self.stopping:
            self.stopping = "stopped after the first failure"

    def has_passed(self, check: Check) -> bool:
        """Tell whether an assertion was run and holds."""
        result = self.checked.get(check.assertion.key)
        return result is not None and result.status == "passed"

    def passing(self) -> list[TableName]:
        """Return the built and reused blocks that hold, and whose inputs in this run all hold, inputs first."""
        wrong = set(self.bad)
        for name in self.graph.order:
            if self.graph.inputs[name] & wrong:
                wrong.add(name)
        return [
            name
            for name in self.graph.order
            if name not in wrong and name in self.results and name not in self.left_out
        ]

    def failures(self) -> list[AssertionResult]:
        """Return the assertions that do not hold."""
        return [result for result in self.checked.values() if result.status == "failed"]

    def report(
        self, status: RunStatus, published: tuple[TableName, ...] = (), dropped: tuple[TableName, ...] = (),
        problems: tuple[Problem, ...] = (), exit_code: int | None = None,
    ) -> Report:  # fmt: skip
        """Tell that the run has ended, and return its report."""
        if status == "succeeded" and any(result.status == "warned" for result in self.checked.values()):
            status = "warned"
        seconds = time.perf_counter() - self.started
        self.tell(events.RunFinished(self.run, status, seconds))
        if exit_code is None:
            exit_code = self.exit_code if status == "failed" else 0
        blocks = tuple(self._result(name) for name in self.graph.order if name in self.results)
        keys = (check.assertion.key for check in self.checks)
        checks = tuple(self.checked[key] for key in keys if key in self.checked)
        return Report(
            self.run,
            self.targets,
            status,
            seconds,
            blocks,
            checks,
            published,
            dropped,
            problems,
            exit_code,
            tuple(sorted(self.unit_tested, key=lambda result: (result.block, result.test))),
        )

    def _result(self, name: TableName) -> BlockResult:
        """Return how it went with a block: with the reason, if its version is there and held back."""
        result = self.results[name]
        return replace(result, reason=self.bad.get(name, "")) if result.status in ("built", "reused") else result


def _told_status(result: AssertionResult) -> events.AssertionStatus:
    return "passed" if result.status == "skipped" else result.status
