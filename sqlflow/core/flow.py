"""How a block takes part in a run: when it is wanted, what it waits for, and what is done after it."""

from datetime import time
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from sqlflow.core.names import TableName
from sqlflow.core.text import Place

if TYPE_CHECKING:
    from sqlflow.core.block import Query


class Retries(Struct, frozen=True):
    """How often what failed is tried again: after `delay` seconds, each later wait `backoff` times the one before."""

    count: int = 0
    delay: float = 30.0
    backoff: float = 2.0

    def pause(self, tried: int) -> float | None:
        """Return the seconds to wait when `tried` tries have failed (1 is the first); None if that was the last.

        >>> [Retries(2, 30, 2).pause(tried) for tried in (1, 2, 3)]
        [30.0, 60.0, None]
        """
        return None if tried > self.count else float(self.delay * self.backoff ** (tried - 1))


ONCE = Retries()
"""That of what is not tried again."""


class Condition(Struct, frozen=True):
    """Whether a block is wanted: as `wanted` says, or as the one value that `query` gives."""

    place: Place
    wanted: bool = True
    query: "Query | None" = None


class Wait(Struct, frozen=True):
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


class Export(Struct, frozen=True):
    """A file that gets a copy of what is published of a block; `path` is relative to the project, or absolute."""

    place: Place
    path: str
    format: Literal["parquet", "csv", "json"]
    compression: str = ""
    delimiter: str = ","


class TableExport(Struct, frozen=True):
    """A table of another target that gets the rows of what is published of a block; `table` is its name in `prod`.

    `replace` lets it hold these rows alone, `append` adds them, `upsert` puts them in the place of those of the same `key`.
    """

    place: Place
    target: str
    target_place: Place
    table: TableName
    mode: Literal["replace", "append", "upsert"] = "replace"
    key: tuple[str, ...] = ()
    key_place: Place | None = None


class Flow(Struct, frozen=True):
    """The parts of a block's front matter that shape the run and not the rows.

    `on_success` and `on_failure` are statements that run when all has been decided.
    """

    when: Condition | None = None
    waits: tuple[Wait, ...] = ()
    on_success: "tuple[Query, ...]" = ()
    on_failure: "tuple[Query, ...]" = ()
    exports: tuple[Export, ...] = ()
    tables: tuple[TableExport, ...] = ()

    @property
    def has_exports(self) -> bool:
        """Tell whether its rows are copied into files or into tables of other targets."""
        return bool(self.exports or self.tables)


PLAIN = Flow()
"""That of a block that says nothing of it."""


def written(seconds: float) -> str:
    """Return a time as it is written in a file: in its largest whole unit.

    >>> written(900.0), written(86400.0), written(1.5)
    ('15m', '1d', '1.5s')
    """
    units = {"d": 86400, "h": 3600, "m": 60}
    unit = next((unit for unit, size in units.items() if seconds % size == 0), "s")
    return f"{seconds / units.get(unit, 1):g}{unit}"
