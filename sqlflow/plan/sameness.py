"""Whether a version that is there has the rows that a block would have if it were built now.

Two recipes are the same if all that they are computed from is: the columns that are read, and what decides which rows
there are, down to seeds, files and sources. With `stored`, tables count by what they hold: see `Needs.tables`.
"""

from collections.abc import Iterator

from msgspec import Struct, field

from sqlflow.core.names import TableName
from sqlflow.plan.functions import heeds_order
from sqlflow.plan.lineage import Input, Lineage, lineage
from sqlflow.plan.origins import EVERY, Origin, Read
from sqlflow.plan.recipes import Recipe
from sqlflow.plan.versions import goes_by_time


class Needs(Struct):
    """What a recipe comes down to.

    `facts` are the computations, and the versions of what is read from outside. `tables` are the columns that are read of
    tables, by name: an empty text for their rows, `EVERY` for all; `relations` are their versions.
    """

    facts: set[str] = field(default_factory=set)
    tables: dict[str, set[str]] = field(default_factory=dict)
    relations: dict[str, str] = field(default_factory=dict)
    recipes: dict[str, Recipe] = field(default_factory=dict)
    is_known: bool = True
    """False if a version is not known."""


class Comparison:
    """Compares recipes; remembers their lineage."""

    def __init__(self, dialect: str) -> None:
        self.dialect = dialect
        self._lineages: dict[Recipe, Lineage | None] = {}
        self._common: frozenset[str] = frozenset()
        """The keys of what both sides of a comparison read: it is the same, and need not be looked into."""

    def needs(self, one: Recipe, other: Recipe, stored: bool = False) -> tuple[Needs, Needs] | None:
        """Return what two recipes come down to if both are computed in the same way from the same; else None.

        With `stored`, they come down to the tables that they read: then it is these that must hold the same.
        """
        self._common = _keys(one) & _keys(other)
        found = Needs(), Needs()
        try:
            for recipe, needs in zip((one, other), found, strict=True):
                self._add_whole(recipe, needs, stored)
        except RecursionError:
            return None
        is_same = found[0].facts == found[1].facts and found[0].tables == found[1].tables
        return found if is_same and found[0].is_known and found[1].is_known else None

    def differing(self, now: Recipe, before: Recipe) -> dict[str, list[str]]:
        """Return the columns of inputs that `now` reads and that are computed in another way than they were.

        An empty text stands for which rows there are, `EVERY` for all columns.
        """
        known = self.lineage(now)
        found: dict[str, list[str]] = {}
        for read in sorted(known.reads if known else ()):
            one, other = now.inputs.get(read.table), before.inputs.get(read.table)
            if (
                one is not None
                and other is not None
                and self._facts(one, read.column) != self._facts(other, read.column)
            ):
                found.setdefault(read.table, []).append(read.column)
        return found

    def _facts(self, recipe: Recipe, column: str) -> set[str] | None:
        """Return what a column comes down to; None where it cannot be known."""
        found, self._common = Needs(), frozenset()
        self._add_column(recipe, column, found, stored=False)
        return found.facts if found.is_known else None

    def lineage(self, recipe: Recipe) -> Lineage | None:
        if recipe not in self._lineages:
            self._lineages[recipe] = self._lineage(recipe)
        return self._lineages[recipe]

    def _lineage(self, recipe: Recipe) -> Lineage | None:
        if recipe.sql is None:
            return None
        inputs = {
            TableName.parse(written): Input(name, self.columns(recipe.inputs[name]) if name in recipe.inputs else None)
            for written, name in recipe.links.items()
        }
        return lineage(recipe.sql, inputs, self.dialect)

    def columns(self, recipe: Recipe) -> tuple[str, ...] | None:
        """Return a recipe's columns as they were found in its version, or else as its SQL tells them."""
        if recipe.columns is not None:
            return recipe.columns
        found = self.lineage(recipe)
        return tuple(found.columns) if found is not None and found.columns is not None else None

    def _add_whole(self, recipe: Recipe, found: Needs, stored: bool) -> None:
        """Add all that a recipe is made from: its own code, and what its lineage says; everything where there is none."""
        found.facts.add(f"{recipe.name} is {recipe.code}")
        known = self.lineage(recipe)
        if recipe.is_volatile:
            found.is_known = False
        if known is not None:
            found.facts |= {f"{recipe.name} rows {known.rows.code}", f"{recipe.name} columns {known.every.code}"}
            self._add_reads(recipe, known.reads, found, stored)
            return
        every = {Read(name, column) for name in set(recipe.links.values()) for column in ("", EVERY)}
        self._add_reads(recipe, frozenset(every), found, stored)

    def _add_reads(self, recipe: Recipe, reads: frozenset[Read], found: Needs, stored: bool) -> None:
        for read in reads:
            child = recipe.inputs.get(read.table)
            if child is not None:
                self._add_column(child, read.column, found, stored)
        for name, version in self._outside(recipe):
            found.facts.add(f"{recipe.name} reads {name} {version}")
            found.is_known &= bool(version)

    def _outside(self, recipe: Recipe) -> Iterator[tuple[str, str]]:
        """Yield what a recipe reads that is no block: sources, files and the options of their readers."""
        return ((name, version) for name, version in recipe.reads.items() if name not in recipe.inputs)

    def _add_column(self, recipe: Recipe, column: str, found: Needs, stored: bool) -> None:
        if recipe.key and recipe.key in self._common:
            found.facts.add(f"{recipe.name} of {recipe.key}")
            return
        first = found.recipes.setdefault(recipe.name, recipe)
        if first is not recipe and first.signature() != recipe.signature():
            found.is_known = False  # two versions of one block: their facts would run into one another
            return
        if stored and recipe.is_stored:
            found.tables.setdefault(recipe.name, set()).add(column)
            found.relations[recipe.name] = recipe.relation
            return
        if recipe.is_continued:
            found.facts.add(f"{recipe.name} of {recipe.key}")
            found.is_known &= bool(recipe.key)
            return
        fact = f"{recipe.name} column {column}"
        known = self.lineage(recipe)
        origin = self._origin(known, column) if known is not None else None
        if recipe.is_volatile or goes_by_time(recipe.reads.values()):  # built again, it would be of another moment
            found.is_known = False
        elif origin is None:
            self._add_unclear(recipe, found, stored)
        elif f"{fact} {origin.code}" not in found.facts:
            found.facts.add(f"{fact} {origin.code}")
            self._add_reads(recipe, origin.reads, found, stored)

    def _origin(self, known: Lineage, column: str) -> Origin | None:
        if column == EVERY:
            return known.every
        return known.column(column) if column else known.rows

    def _add_unclear(self, recipe: Recipe, found: Needs, stored: bool) -> None:
        """Add a recipe of whose columns nothing is known: a seed is its file, all else is all that it is made from."""
        if recipe.inputs or recipe.sql is not None:
            self._add_whole(recipe, found, stored)
        else:
            found.facts.add(f"{recipe.name} is {recipe.code}")
            self._add_reads(recipe, frozenset(), found, stored)

    def heeds_order(self, sql: str | None) -> bool:
        """Tell whether a query's rows may depend on how the rows that it reads lie; where it cannot be told, they may."""
        import sqlglot
        from sqlglot.errors import SqlglotError

        if sql is None:
            return True
        try:
            return heeds_order(sqlglot.parse_one(sql, read=self.dialect), sql, self.dialect)
        except (SqlglotError, RecursionError, ValueError, AttributeError):
            return True


def _keys(recipe: Recipe) -> frozenset[str]:
    """Return the keys of all that a recipe is made from, but those of what goes by the time: they do not tell of which moment it is."""
    readers: dict[Recipe, list[Recipe]] = {}
    waiting = [recipe]
    while waiting:
        reader = waiting.pop()
        for child in reader.inputs.values():
            if child not in readers:
                readers[child] = []
                waiting.append(child)
            readers[child].append(reader)
    of_time: set[Recipe] = set()
    waiting = [child for child in readers if goes_by_time(child.reads.values())]
    while waiting:
        child = waiting.pop()
        if child not in of_time:
            of_time.add(child)
            waiting += readers.get(child, ())
    return frozenset(child.key for child in readers if child not in of_time) - {""}
