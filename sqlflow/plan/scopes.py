"""What names mean inside of a query, for what an engine would say of it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from msgspec import Struct
from msgspec.structs import replace

from sqlflow.core.engine import Column
from sqlflow.plan.types import UNKNOWN


class Rows(Struct, frozen=True):
    """The columns of a query or a table; one that the engine names has no name here. With `has_more` there may be others."""

    columns: tuple[Column, ...]
    has_more: bool = False
    may_have_key: bool = False
    """Whether it is a table that may have a primary key."""

    @property
    def is_open(self) -> bool:
        """Whether any name may be that of a column."""
        return self.has_more or any(not column.name for column in self.columns)

    def renamed(self, names: Sequence[str]) -> "Rows":
        named = [replace(column, name=name) for column, name in zip(self.columns, names, strict=False)]
        more = [Column(name, UNKNOWN) for name in names[len(named) :]] if self.has_more else []
        return Rows((*named, *more, *self.columns[len(named) :]), self.has_more, self.may_have_key)

    def types(self, name: str) -> list[str]:
        return [column.type for column in self.columns if column.name == name and name]


@dataclass
class Scope:
    """What names mean in a SELECT: its tables by their aliases, and the scope around it."""

    outer: "Scope | None" = None
    tables: list[tuple[str, Rows]] = field(default_factory=list)
    merged: set[str] = field(default_factory=set)
    """The columns of USING and NATURAL, which each table on both sides has."""
    has_commas: bool = False
    """Whether, while FROM is read, a table stands behind a comma: an ON behind it does not see those before."""
    star: tuple[Column, ...] | None = ()
    """What `*` is, without the tables that are open; None where that cannot be told."""

    @property
    def is_open(self) -> bool:
        return any(rows.is_open for _, rows in self.tables)

    def aliases(self) -> Iterator[str]:
        yield from (alias for alias, _ in self.tables)
        if self.outer is not None:
            yield from self.outer.aliases()
