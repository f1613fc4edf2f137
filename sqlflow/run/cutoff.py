"""Early cutoff: a block whose inputs were built anew, and hold the same in all that it reads, is not built.

What tables hold is compared by hashes that do not depend on the order of the rows. If the order may count, for the block
or for one below it, the hash takes it in.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

from msgspec.structs import replace

from sqlflow.core.engine import Column, Session
from sqlflow.core.errors import StatementError
from sqlflow.core.names import TableName
from sqlflow.plan.origins import EVERY, hashed
from sqlflow.plan.plan import Plan
from sqlflow.plan.recipes import Cookbook, Recipe, is_stored, is_volatile
from sqlflow.plan.sameness import Comparison, Needs
from sqlflow.plan.versions import STATE_SCHEMA
from sqlflow.run import state


@dataclass
class Cutoff:
    """Finds versions that need not be built again while a run goes on; workers share it."""

    plan: Plan
    comparison: Comparison = field(init=False)
    lock: threading.Lock = field(default_factory=threading.Lock)
    heeding: dict[TableName, bool] = field(default_factory=dict)
    """Whether the order in which rows lie may count for a block."""
    counts: dict[TableName, int] = field(default_factory=dict)
    """How many rows versions have: many readers ask, and some engines count them one by one."""

    def __post_init__(self) -> None:
        self.comparison = Comparison(self.plan.project.target.engine.dialect)

    def unchanged(
        self, name: TableName, relations: Mapping[TableName, TableName], doubtful: set[TableName], session: Session
    ) -> TableName | None:
        """Return the version that holds what the block would hold if it were built from `relations` now; None if none is
        known to.
        """
        cookbook, block = self.plan.cookbook, self.plan.block(name)
        if cookbook is None or block.code is None or is_volatile(block):
            return None
        candidates = cookbook.candidates(name)
        if not is_stored(block):
            over = (entry for entry in candidates if cookbook.is_over(entry, name, relations))
            return next((TableName(STATE_SCHEMA, entry.relation) for entry in over), None)
        recipe = cookbook.of_block(name) if candidates else None
        if recipe is None:
            return None
        now = _Placing(relations, doubtful, session).placed(recipe)
        for entry in candidates:
            needs = self._needs(cookbook, now, cookbook.of_entry(entry))
            if needs is not None and all(self._holds_same(name, table, *needs, session) for table in needs[0].tables):
                return TableName(STATE_SCHEMA, entry.relation)
        return None

    def _needs(self, cookbook: Cookbook, now: Recipe, before: Recipe | None) -> tuple[Needs, Needs] | None:
        if before is None:
            return None
        with self.lock:
            return self.comparison.needs(now, before, stored=True)

    def _holds_same(self, name: TableName, table: str, now: Needs, before: Needs, session: Session) -> bool:
        """Tell whether two versions of a table are the same in the columns that are read of it."""
        one, other = (TableName(STATE_SCHEMA, needs.relations[table]) for needs in (now, before))
        if one == other:
            return True
        if not self.plan.block(TableName.parse(table)).config.content_hash:
            return False
        try:
            columns = [_columns(relation, now.tables[table], session) for relation in (one, other)]
            if columns[0] != columns[1] or self._count(one, session) != self._count(other, session):
                return False
            contents = [self._content(relation, columns[0], name, session) for relation in (one, other)]
        except StatementError:
            return False
        return contents[0] is not None and contents[0] == contents[1]

    def _content(self, relation: TableName, columns: list[Column], name: TableName, session: Session) -> str | None:
        ordered = self._order_counts(name)
        if not columns and not ordered:
            return str(self._count(relation, session))
        query = self.plan.project.target.engine.content(relation, columns, ordered)
        what = f"{'ordered ' if ordered else ''}{', '.join(f'{column.name} {column.type}' for column in columns)}"
        return state.content(session, relation, hashed(what), query) if query else None

    def _count(self, relation: TableName, session: Session) -> int:
        if relation not in self.counts:
            self.counts[relation] = int(session.rows(f"select count(*) from {relation.sql}").rows[0][0])
        return self.counts[relation]

    def _order_counts(self, name: TableName) -> bool:
        graph = self.plan.graph
        return any(self._heeds_order(below) for below in graph.downstream([name]))

    def _heeds_order(self, name: TableName) -> bool:
        if name not in self.heeding:
            query = self.plan.block(name).query
            self.heeding[name] = self.comparison.heeds_order(query.text.text if query else None)
        return self.heeding[name]


def _columns(relation: TableName, wanted: set[str], session: Session) -> list[Column]:
    """Return those of the relation's columns that are wanted; as they stand if all are, else by name."""
    found = session.columns(f"select * from {relation.sql}")
    if EVERY in wanted:
        return list(found)
    return sorted((column for column in found if column.name.lower() in wanted), key=lambda column: column.name)


@dataclass
class _Placing:
    """Puts the versions of a run into recipes."""

    relations: Mapping[TableName, TableName]
    doubtful: set[TableName]
    session: Session
    done: dict[str, Recipe] = field(default_factory=dict)

    def placed(self, recipe: Recipe) -> Recipe:
        """Return a recipe whose inputs are the versions of this run, with the columns that these have."""
        return replace(recipe, inputs={name: self._child(child) for name, child in recipe.inputs.items()})

    def _child(self, recipe: Recipe) -> Recipe:
        if recipe.name not in self.done:
            name = TableName.parse(recipe.name)
            if name in self.doubtful:
                recipe = replace(recipe, key="", is_volatile=not recipe.is_stored)
            self.done[recipe.name] = (
                self._stored(recipe, self.relations[name]) if recipe.is_stored else self.placed(recipe)
            )
        return self.done[recipe.name]

    def _stored(self, recipe: Recipe, relation: TableName) -> Recipe:
        columns = self.session.columns(f"select * from {relation.sql}")
        return replace(
            recipe,
            sql=None,
            inputs={},
            relation=relation.name,
            columns=tuple(column.name.lower() for column in columns),
        )
