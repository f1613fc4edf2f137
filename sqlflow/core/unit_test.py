"""What a unit test says: rows that a block is given, and the rows that it must make of them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from msgspec import Struct, field

from sqlflow.core.names import TableName
from sqlflow.core.text import MappedText, Place

CellKind = Literal["null", "boolean", "integer", "number", "date", "timestamp", "text", "nested"]


class Cell(Struct, frozen=True):
    """A value as it was written: `kind` is what its writing shows; lists and mappings are JSON text."""

    text: str
    kind: CellKind
    place: Place


class WrittenRows(Struct, frozen=True):
    """Rows that are written out, with the places of their columns' names; None stands where a row leaves a column out."""

    columns: tuple[tuple[str, Place], ...]
    rows: tuple[tuple[Cell | None, ...], ...]
    place: Place


class QueriedRows(Struct, frozen=True):
    """Rows that a query makes by itself, in the engine's dialect."""

    text: MappedText
    place: Place


Rows = WrittenRows | QueriedRows


class Given(Struct, frozen=True):
    """The rows that stand for an input, which is named as the block would name it."""

    name: TableName
    rows: Rows
    place: Place


class UnitTest(Struct, frozen=True):
    """A block, what it is given, and what it must make of it. `now` is the moment at which its clock stands still."""

    name: str
    block: TableName
    given: tuple[Given, ...]
    expect: Rows
    place: Place
    description: str = ""
    vars: Mapping[str, Any] = field(default_factory=dict)
    now: datetime | None = None

    @property
    def key(self) -> str:
        """The name that is unique in the project."""
        return f"{self.block}: {self.name}"
