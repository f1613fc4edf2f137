"""What lineage is made of: origins of values, relations that have them, and the scopes in which names are looked up."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping

from msgspec import Struct, field

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


def any_of(whole: Origin) -> Callable[[str], Origin]:
    """Return what gives the origin of each column of something of which only the whole is known."""
    return lambda name: Origin(hashed("of", name, whole.code), whole.reads)


def in_order(names: Iterable[str], whole: Origin) -> dict[str, Origin]:
    """Return the columns of something of which only the whole is known: it is their places that tell them apart."""
    return {name: any_of(whole)(f"?{place}") for place, name in enumerate(names)}


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

    def as_another(self, mark: str) -> "Relation":
        """Return the relation as one beside others, of which it may be one once more: `y.v` is not `z.v`."""
        unknown = self.unknown
        columns = {name: _marked(origin, mark) for name, origin in self.columns.items()}
        return Relation(self.rows, columns, (lambda name: _marked(unknown(name), mark)) if unknown else None)

    def renamed(self, names: list[str]) -> "Relation":
        """Return the relation with its first columns renamed, as `t(a, b)` does."""
        if not names:
            return self
        if self.unknown:
            every = self.every()
            return Relation(self.rows, in_order(names, every), any_of(every))
        pairs = list(self.columns.items())
        renamed = [(name, origin) for name, (_, origin) in zip(names, pairs, strict=False)]
        return Relation(self.rows, distinct(renamed + pairs[len(names) :]))


def _marked(origin: Origin, mark: str) -> Origin:
    return Origin(hashed(mark, origin.code), origin.reads)


def distinct(pairs: Iterable[tuple[str, Origin]]) -> dict[str, Origin]:
    found: dict[str, Origin] = {}
    for name, origin in pairs:
        if name in found:
            raise Unclear(f"two columns `{name}`")
        found[name] = origin
    return found


class Scope(Struct):
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

    def outwards(self) -> "Iterator[Scope]":
        """Yield the scope, that of the query around it, and so on."""
        scope: Scope | None = self
        while scope is not None:
            yield scope
            scope = scope.outer

    def bare(self, name: str, with_alias: bool) -> Origin:
        """Return all that a name without a table may mean."""
        found: list[Origin] = []
        for depth, scope in enumerate(self.outwards()):
            sure = [table.columns[name] for _, _, table in scope.tables if name in table.columns]
            here = sure or [table.unknown(name) for _, _, table in scope.tables if table.unknown]
            if name in scope.aliases and (with_alias or not sure):
                here.append(scope.aliases[name])
            if not sure:
                here += [table.whole() for alias, _, table in scope.tables if alias == name]
            found += _of_outer(here, depth)
            if sure:
                break
        if not found and not self.is_call:
            raise Unclear(f"no column `{name}`")
        return merged(found or [Origin(f"word {name}")])

    def qualified(self, parts: list[str]) -> Origin:
        """Return all that a name with dots may mean: a table's column, or a field of one."""
        found: list[Origin] = []
        for depth, scope in enumerate(self.outwards()):
            for alias, schema, table in scope.tables:
                for start in range(len(parts) - 1):
                    fits_schema = start == 0 or not schema or schema == parts[start - 1]
                    if alias == parts[start] and fits_schema:
                        column, fields = parts[start + 1], parts[start + 2 :]
                        if column in table.columns:
                            found.append(_part(table.columns[column], fields))
                        elif table.unknown:
                            found.append(_part(table.unknown(column), fields))
            found += [
                _part(table.columns[parts[0]], parts[1:])
                for _, _, table in scope.tables
                if parts[0] in table.columns and not found
            ]
            if found:
                found = _of_outer(found, depth)
                break
        if not found:
            found.append(_part(self.bare(parts[0], with_alias=True), parts[1:]))
        return merged(found)

    def shown(self) -> list[tuple[str, Relation]]:
        return [(alias, table) for at, (alias, _, table) in enumerate(self.tables) if at not in self.hidden]


def _part(whole: Origin, fields: list[str]) -> Origin:
    """Return the origin of a field of a column, of a field of that, and so on."""
    return Origin(hashed("field", *fields, whole.code), whole.reads) if fields else whole


def _of_outer(found: list[Origin], depth: int) -> list[Origin]:
    """Return what names mean in a query so many steps around: the same table may stand there and here."""
    return [_marked(origin, f"outer {depth}") for origin in found] if depth else found
