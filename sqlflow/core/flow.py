"""How a block takes part in a run: when it is wanted, what it waits for, and what is done after it."""

from dataclasses import dataclass
from datetime import time
from typing import TYPE_CHECKING, Literal

from sqlflow.core.text import Place

if TYPE_CHECKING:
    from sqlflow.core.block import Query


@dataclass(frozen=True, slots=True)
class Condition:
    """Whether a block is wanted: as `wanted` says, or as the one value that `query` gives."""

    place: Place
    wanted: bool = True
    query: "Query | None" = None


@dataclass(frozen=True, slots=True)
class Wait:
    """What must come before a block or a run begins, looked for each `every` seconds, for `timeout` seconds at most.

    `path` is a file or a glob below the project; `query` gives one value that is true; `at` is a time of day in `timezone`.
    """

    place: Place
    kind: Literal["file", "query", "time"]
    path: str = ""
    query: "Query | None" = None
    at: time = time()
    timezone: str = "UTC"
    every: float = 10.0
    timeout: float = 3600.0

    @property
    def what(self) -> str:
        """What it waits for, in a few words."""
        match self.kind:
            case "file":
                return f"the file `{self.path}`"
            case "time":
                return f"{self.at:%H:%M} {self.timezone}"
        return "a query"


@dataclass(frozen=True, slots=True)
class Export:
    """A file that gets a copy of what is published of a block; `path` is relative to the project, or absolute."""

    place: Place
    path: str
    format: Literal["parquet", "csv", "json"]
    compression: str = ""
    delimiter: str = ","


@dataclass(frozen=True, slots=True)
class Flow:
    """The parts of a block's front matter that shape the run and not the rows.

    `on_success` and `on_failure` are statements that run when all has been decided.
    """

    when: Condition | None = None
    waits: tuple[Wait, ...] = ()
    on_success: "tuple[Query, ...]" = ()
    on_failure: "tuple[Query, ...]" = ()
    exports: tuple[Export, ...] = ()


PLAIN = Flow()
"""That of a block that says nothing of it."""
