"""What lineage is made of: origins of values, relations that have them, and the scopes in which names are looked up."""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from msgspec import Struct

EVERY = "*"
"""The column of a read that is of all columns."""


class Unclear(Exception):
    """It cannot be told what a query reads."""


class Read(Struct, frozen=True, order=True):
    """A column of an input; `EVERY` for all, and an empty text for which rows there are."""

    table: str
    column: str = ""

    def __str__(self) -> str:
        return f"{self.table}.{self.column}" if self.column else f"{self.table} (its rows)"


class Origin(Struct, frozen=True):
    """How something is computed: `code` is the same for the same computation, `reads` is what it is computed from."""

    code: str = ""
    reads: frozenset[Read] = frozenset()


def hashed(*texts: str) -> str:
    return hashlib.blake2b("\x00".join(texts).encode(), digest_size=16).hexdigest()


def merged(origins: Iterable[Origin], kind: str = "") -> Origin:
    """Return what is computed from all of `origins` together, in this order."""
    found = list(origins)
    reads: frozenset[Read] = frozenset().union(*(origin.reads for origin in found))
    return found[0] if len(found) == 1 and not kind else Origin(hashed(kind, *(o.code for o in found)), reads)


class Relation(Struct, frozen=True):
    """What stands in a FROM, or is the result of a query.

    `unknown` gives the origin of a column that is not among `columns`; without it there are no others.
    """

    rows: Origin
    columns: Mapping[str, Origin]
    unknown: Callable[[str], Origin] | None = None

    def closed(self) -> Mapping[str, Origin] | None:
        return None if self.unknown else self.columns

    def every(self) -> Origin:
        named = [Origin(hashed(name, origin.code), origin.reads) for name, origin in self.columns.items()]
        return merged([*named, *([self.unknown(EVERY)] if self.unknown else [])], "every")

    def whole(self) -> Origin:
        return merged([self.rows, self.every()], "whole")

    def renamed(self, names: list[str]) -> "Relation":
        """Return the relation with its first columns renamed, as `t(a, b)` does."""
        if not names:
            return self
        if self.unknown:
            every = self.every()
            return Relation(self.rows, dict.fromkeys(names, every), lambda name: every)
        pairs = list(self.columns.items())
        renamed = [(name, origin) for name, (_, origin) in zip(names, pairs, strict=False)]
        return Relation(self.rows, distinct(renamed + pairs[len(names) :]))


def distinct(pairs: Iterable[tuple[str, Origin]]) -> dict[str, Origin]:
    found: dict[str, Origin] = {}
    for name, origin in pairs:
        if name in found:
            raise Unclear(f"two columns `{name}`")
        found[name] = origin
    return found


@dataclass(slots=True)
class Scope:
    """The tables that a SELECT can name, those of the queries around it behind them, and the aliases of its columns."""

    outer: "Scope | None"
    tables: list[tuple[str, str, Relation]] = field(default_factory=list)
    """Alias, schema and relation."""
    hidden: set[int] = field(default_factory=set)
    """Places in `tables` of those that a `*` does not show: the right sides of semi and anti joins."""
    shared: dict[str, int] = field(default_factory=dict)
    """By how many joins USING and NATURAL share a column: a `*` shows it once."""
    aliases: dict[str, Origin] = field(default_factory=dict)
    is_call: bool = False
    """Whether names may be those of a function's own parameters, as `header` is one of `read_csv`."""

    def bare(self, name: str, with_alias: bool) -> Origin:
        """Return all that a name without a table may mean."""
        found: list[Origin] = []
        scope: Scope | None = self
        while scope is not None:
            sure = [table.columns[name] for _, _, table in scope.tables if name in table.columns]
            found += sure or [table.unknown(name) for _, _, table in scope.tables if table.unknown]
            if name in scope.aliases and (with_alias or not sure):
                found.append(scope.aliases[name])
            if not sure:
                found += [table.whole() for alias, _, table in scope.tables if alias == name]
            if sure:
                break
            scope = scope.outer
        if not found and not self.is_call:
            raise Unclear(f"no column `{name}`")
        return merged(found or [Origin(f"word {name}")])

    def qualified(self, parts: list[str]) -> Origin:
        """Return all that a name with dots may mean: a table's column, or a field of one."""
        found: list[Origin] = []
        scope: Scope | None = self
        while scope is not None and not found:
            for alias, schema, table in scope.tables:
                for start in range(len(parts) - 1):
                    fits_schema = start == 0 or not schema or schema == parts[start - 1]
                    if alias == parts[start] and fits_schema:
                        column = parts[start + 1]
                        if column in table.columns:
                            found.append(table.columns[column])
                        elif table.unknown:
                            found.append(table.unknown(column))
            found += [
                table.columns[parts[0]] for _, _, table in scope.tables if parts[0] in table.columns and not found
            ]
            scope = scope.outer
        if not found:
            found.append(self.bare(parts[0], with_alias=True))
        return merged(found)

    def shown(self) -> list[tuple[str, Relation]]:
        return [(alias, table) for at, (alias, _, table) in enumerate(self.tables) if at not in self.hidden]
