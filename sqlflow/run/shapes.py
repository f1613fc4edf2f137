"""Which columns blocks and sources have: told by the engine, which is given empty tables for what they read."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from sqlflow.core.block import Block
from sqlflow.core.engine import Column, Session
from sqlflow.core.errors import SqlflowError
from sqlflow.core.names import TableName, quoted
from sqlflow.core.text import Place
from sqlflow.plan.graph import Graph, Resolver
from sqlflow.plan.unit_tests import inputs_of
from sqlflow.plan.versions import version_relation
from sqlflow.run import seeds, sources
from sqlflow.run.compose import Binder, selectable

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Shape:
    """The columns of a block or a source, with their types as far as they are known.

    `is_whole` tells whether these are all; else there may be others.
    """

    columns: tuple[Column, ...]
    is_whole: bool

    def type_of(self, name: str) -> str:
        """Return the type of a column; empty where it is not known."""
        return next((column.type for column in self.columns if column.name.lower() == name.lower()), "")


def temporary(graph: Graph, name: TableName, purpose: str) -> TableName:
    """Return a table of a session's own that stands for a block or a source."""
    return replace(version_relation(name, purpose), schema=graph.project.target.engine.temporary)


@dataclass
class Shapes:
    """The shapes of a project's blocks and sources, each found out when it is asked for.

    `session` is that of a database in memory or, with `is_target`, of the target itself, where it makes tables of its own
    alone. `known` is what is known beside it.
    """

    graph: Graph
    session: Session
    is_target: bool = False
    known: Callable[[TableName], tuple[Column, ...] | None] = lambda name: None
    _found: dict[TableName, Shape] = field(default_factory=dict)
    _made: dict[TableName, TableName] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def of(self, name: TableName) -> Shape:
        with self._lock:
            if name not in self._found:
                self._found[name] = self._declared(name, self._looked_up(name))
            return self._found[name]

    def _declared(self, name: TableName, found: Shape | None) -> Shape:
        """Return the shape that was found; the declared types where none was, which may be those of some columns alone."""
        if found is not None:
            return found
        block, source = self.graph.project.blocks.get(name), self.graph.project.sources.get(name)
        config = block.config if block else source
        columns = config.columns if config else {}
        typed = tuple(Column(column, given.type) for column, given in columns.items() if given.type)
        is_whole = bool(typed) and block is not None and block.config.contract and len(typed) == len(columns)
        return Shape(typed, is_whole)

    def _looked_up(self, name: TableName) -> Shape | None:
        known = self.known(name)
        if known is not None:
            return Shape(known, is_whole=True)
        block = self.graph.project.blocks.get(name)
        if block is not None and block.function is not None:
            return None
        try:
            columns = self._source(name) if block is None else self._block(block)
        except SqlflowError:
            return None
        return None if columns is None else Shape(columns, is_whole=True)

    def _source(self, name: TableName) -> tuple[Column, ...] | None:
        project = self.graph.project
        source = project.sources.get(name)
        if source is None or not source.files:
            return self.session.columns(f"select * from {name.sql}") if self.is_target else None
        path = str(Path(project.root).resolve() / source.files)
        query = project.target.engine.file_query(path, source.options)
        if query is not None:
            return self.session.columns(query)
        with sources.batches(name, project, Place(source.files)) as batches:
            return self._of_batches(name, batches)

    def _block(self, block: Block) -> tuple[Column, ...] | None:
        if block.query is None:
            return self._seed(block)
        if block.query.dynamic or block.query.unclear or block.pre_statements:
            return None
        binder = self.binder(block.name)
        if binder is None:
            return None
        columns = self.session.columns(selectable(binder.bound(block.query, block.name.schema)).text)
        return columns if all(column.type for column in columns) else None

    def _seed(self, block: Block) -> tuple[Column, ...]:
        with seeds.batches(block, self.graph.project.root) as batches:
            return self._of_batches(block.name, batches)

    def _of_batches(self, name: TableName, batches: "pa.RecordBatchReader") -> tuple[Column, ...]:
        """Return the columns of the table that batches would be loaded into."""
        relation = temporary(self.graph, name, f"batches {id(self)}")
        self.session.load(relation, batches.from_batches(batches.schema, []))
        return self.session.columns(f"select * from {relation.sql}")

    def binder(self, name: TableName) -> Binder | None:
        """Return what points a block's query at empty tables of the shapes of its inputs; None if one is not known."""
        relations: dict[TableName, TableName] = {}
        queries = {}
        for read, kind in inputs_of(self.graph, name).items():
            query = self.graph.project.blocks[read].query if kind == "ephemeral" else None
            if query is not None:
                if query.dynamic:
                    return None
                queries[read] = query
                continue
            relation = self._table(read)
            if relation is None:
                return None
            relations[read] = relation
        return Binder(self.graph.project, Resolver(self.graph.project), relations, queries, frozenset(relations))

    def _table(self, name: TableName) -> TableName | None:
        """Return an empty table of a block's or source's shape, made once."""
        if name not in self._made:
            shape = self.of(name)
            if not shape.is_whole or not shape.columns:
                return None
            relation = temporary(self.graph, name, f"shape {id(self)}")
            columns = ", ".join(f"{quoted(column.name)} {column.type}" for column in shape.columns)
            self.session.execute(f"create table {relation.sql} ({columns})")
            self._made[name] = relation
        return self._made[name]
