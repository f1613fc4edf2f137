"""What a run gives back: frozen values that the terminal, JSON and the Python API share."""

from collections.abc import Iterator, Sequence
from typing import Any, Literal

from msgspec import Struct
from msgspec.structs import replace

from sqlflow.core.errors import Problem
from sqlflow.core.events import AssertionStatus, BlockStatus, UnitTestStatus
from sqlflow.core.names import TableName
from sqlflow.core.text import Place
from sqlflow.run.differences import Difference

RunStatus = Literal["succeeded", "warned", "failed", "cancelled"]


class BlockResult(Struct, frozen=True):
    """How it went with one block. `relation` is its new version; `rows` is None for a view."""

    block: TableName
    status: BlockStatus
    seconds: float = 0.0
    relation: TableName | None = None
    rows: int | None = None
    problems: tuple[Problem, ...] = ()
    reason: str = ""


class AssertionResult(Struct, frozen=True):
    """How it went with one assertion. `sample` holds a few of the `failing` rows."""

    assertion: str
    block: str
    severity: str
    status: AssertionStatus | Literal["skipped"]
    failing: int = 0
    seconds: float = 0.0
    columns: tuple[str, ...] = ()
    sample: tuple[tuple[Any, ...], ...] = ()
    problems: tuple[Problem, ...] = ()
    description: str = ""


class UnitTestResult(Struct, frozen=True):
    """How it went with one unit test: what of the `columns` differs from what is expected, or why it could not be run."""

    test: str
    block: str
    status: UnitTestStatus
    seconds: float = 0.0
    columns: tuple[str, ...] = ()
    differences: tuple[Difference, ...] = ()
    expected_rows: int = 0
    problems: tuple[Problem, ...] = ()
    description: str = ""
    place: Place | None = None


class Report(Struct, frozen=True):
    """A finished run. `published` names the relations that show new versions; `dropped` those that are gone."""

    run: str
    target: str
    status: RunStatus
    seconds: float
    blocks: tuple[BlockResult, ...] = ()
    assertions: tuple[AssertionResult, ...] = ()
    published: tuple[TableName, ...] = ()
    dropped: tuple[TableName, ...] = ()
    problems: tuple[Problem, ...] = ()
    exit_code: int = 0
    unit_tests: tuple[UnitTestResult, ...] = ()
    published_in: tuple[tuple[str, int], ...] = ()
    """The targets that have published, in that order, each with the number of relations that it shows anew."""

    @property
    def ok(self) -> bool:
        return self.exit_code == 0

    def failed(self) -> Iterator[BlockResult | AssertionResult]:
        """Yield what failed, in the order of the plan: blocks, then assertions. Unit tests that failed are told apart."""
        yield from (block for block in self.blocks if block.status == "failed")
        yield from (check for check in self.assertions if check.status == "failed")


def together_reported(reports: Sequence[Report]) -> Report:
    """Return the reports of the unit tests of several targets as one: the worst of them says how it went."""
    worst = max(reports, key=lambda report: report.exit_code)
    return replace(
        worst,
        target=", ".join(report.target for report in reports),
        seconds=sum(report.seconds for report in reports),
        unit_tests=tuple(test for report in reports for test in report.unit_tests),
    )
