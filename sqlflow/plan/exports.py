"""What a run would export: copies of what it publishes, in files and in tables of other targets."""

from msgspec import Struct

from sqlflow.core.errors import Problem
from sqlflow.core.names import TableName


class Due(Struct, frozen=True):
    """A copy of a block that is still to be made: `to` is a file, or a table of the target `target`.

    `mode` says what becomes of the rows that a table has; it is empty for a file.
    """

    block: TableName
    to: str
    target: str = ""
    mode: str = ""

    def __str__(self) -> str:
        return f"{self.to} in {self.target} ({self.mode})" if self.target else self.to


class Exports(Struct, frozen=True):
    """The exports that a run would make, in the order of its blocks, and what stands against them."""

    due: tuple[Due, ...] = ()
    problems: tuple[Problem, ...] = ()


NO_EXPORTS = Exports()
