"""Which columns blocks and sources have: told by the engine, which is given empty tables for what they read."""

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from sqlflow.core.block import Block, Query
from sqlflow.core.engine import Column, Describer
from sqlflow.core.errors import SqlflowError, StatementError
from sqlflow.core.names import TableName, quoted
from sqlflow.core.text import MappedText, Place
from sqlflow.plan.graph import Graph, Resolver
from sqlflow.plan.types import UNKNOWN
from sqlflow.plan.unit_tests import inputs_of
from sqlflow.plan.versions import version_relation
from sqlflow.run import seeds, sources
from sqlflow.run.compose import Binder, selectable
from sqlflow.run.incremental import columns_kept
from sqlflow.run.snapshots import history_columns, refuse_unfit, without_history

if TYPE_CHECKING:
    import pyarrow as pa


class Shape(Struct, frozen=True):
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
    return version_relation(name, purpose)._replace(schema=graph.project.target.engine.temporary)


@dataclass
class Shapes:
    """The shapes of a project's blocks and sources, each found out when it is asked for.

    `session` is that of a database in memory or, with `is_target`, of the target itself or on paper, where it makes nothing
    but what seeds and files are loaded into. `known` is what is known beside it.
    """

    graph: Graph
    session: Describer
    is_target: bool = False
    known: Callable[[TableName], tuple[Column, ...] | None] = lambda name: None
    elsewhere: Callable[[TableName], tuple[Column, ...] | None] = lambda name: None
    """Tells the columns that a block of another target has here."""
    there: Callable[[TableName], tuple[Column, ...] | None] = lambda name: ()
    """Tells the columns of the table that a block goes on from: none where it begins with nothing, None if they are not known."""
    resolver: Resolver = field(init=False)
    _found: dict[TableName, Shape] = field(default_factory=dict)
    tables: dict[TableName, TableName] = field(default_factory=dict)
    """The empty tables that were made, by what they stand for."""
    refused: dict[TableName, tuple[Column, ...]] = field(default_factory=dict)
    """The columns of the new rows of blocks that will fail, since they have others."""
    _schemas: set[str] = field(default_factory=set)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def __post_init__(self) -> None:
        self.resolver = Resolver(self.graph.project)

    def of(self, name: TableName) -> Shape:
        with self._lock:
            if name not in self._found:
                self._found[name] = self._declared(name, self._looked_up(name))
            return self._found[name]

    def told(self, names: Iterable[TableName]) -> dict[TableName, tuple[Column, ...]]:
        """Return the columns of those of the blocks that have been looked at and of which all are known."""
        found = {name: self._found[name] for name in names if name in self._found}
        return {
            name: shape.columns
            for name, shape in found.items()
            if shape.is_whole and all(column.type != UNKNOWN for column in shape.columns)
        }

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
        if name in project.elsewhere:
            return self.elsewhere(name)
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
        text = self.text(block, block.query)
        return None if text is None else self.described(block.name, text)

    def text(self, block: Block, query: Query) -> MappedText | None:
        """Return a block's query over empty inputs; None if the columns of one of them are not known."""
        binder = self.binder(block.name)
        return None if binder is None else selectable(binder.bound(query, block.name.schema))

    def continuing_text(self, block: Block) -> MappedText | None:
        """Return the query for the new rows of a block that goes on, over empty inputs and an empty table that is there.

        None if their columns are not known.
        """
        assert block.continuing is not None
        binder, own = self.binder(block.name), self.of(block.name)
        if binder is None or not own.is_whole:
            return None
        if self.is_target:
            binder = replace(binder, texts={**binder.texts, block.name: _nothing(own)})
        else:
            binder = binder.reading(block.name, self._table(block.name, own))
        return selectable(binder.bound(block.continuing, block.name.schema))

    def described(self, name: TableName, text: MappedText) -> tuple[Column, ...] | None:
        """Return what the engine says of a query, and keep it; None where a column has no type.

        Raise StatementError, and BuildError for columns that the block's settings do not go with.
        """
        columns = self.session.columns(text.text)
        if not all(column.type for column in columns):
            return None
        block = self.graph.project.blocks.get(name)
        if block is not None and block.is_snapshot:
            if UNKNOWN in (column.type for column in columns if column.name == block.config.updated_at):
                return None
            refuse_unfit(block, columns)
        there = self.there(name)
        if block is None or there is None:
            return None
        own = history_columns(block, columns, self.session) if block.is_snapshot else ()
        there = without_history(there) if own else there
        kept = columns_kept(there, columns, block) if there else columns
        if block.config.on_schema_change == "fail" and kept != columns:
            self.refused[name] = (*columns, *own)
        self._found.setdefault(name, Shape((*kept, *own), is_whole=True))
        return (*kept, *own)

    def _seed(self, block: Block) -> tuple[Column, ...]:
        with seeds.batches(block, self.graph.project.root) as batches:
            return self._of_batches(block.name, batches)

    def _of_batches(self, name: TableName, batches: "pa.RecordBatchReader") -> tuple[Column, ...]:
        """Return the columns of the table that batches would be loaded into."""
        relation = temporary(self.graph, name, f"batches {id(self)}")
        self.session.load(relation, batches.from_batches(batches.schema, []))
        return self.session.columns(f"select * from {relation.sql}")

    def binder(self, name: TableName) -> Binder | None:
        """Return what gives a block's query empty inputs of their shapes; None if one of them is not known."""
        relations: dict[TableName, TableName] = {}
        texts: dict[TableName, str] = {}
        queries = {}
        for read, kind in inputs_of(self.graph, name).items():
            query = self.graph.project.blocks[read].query if kind == "ephemeral" else None
            if query is not None:
                if query.dynamic:
                    return None
                queries[read] = query
                continue
            shape = self.of(read)
            if not shape.is_whole or not shape.columns:
                return None
            if self.is_target:
                texts[read] = _nothing(shape, is_of_others=kind == "source")
            else:
                relations[read] = self._table(read, shape)
        return Binder(self.graph.project, self.resolver, relations, queries, frozenset(relations), texts)

    def _table(self, name: TableName, shape: Shape) -> TableName:
        """Return an empty table of a block's or source's shape, made once.

        It has the name of what it stands for, so that a query which says that stays as it was parsed. A name that only a table of
        the target's own can have (`memory`, `temp`) has a stand-in.
        """
        if name not in self.tables:
            columns = ", ".join(f"{quoted(column.name)} {column.type}" for column in shape.columns)
            try:
                self._make(name, columns)
            except StatementError:
                stand_in = temporary(self.graph, name, f"shape {id(self)}")
                self._make(stand_in, columns)
                self.tables[name] = stand_in
            else:
                self.tables[name] = name
        return self.tables[name]

    def _make(self, relation: TableName, columns: str) -> None:
        if relation.schema and relation.schema not in self._schemas:
            self.session.execute(f"create schema if not exists {quoted(relation.schema)}")
            self._schemas.add(relation.schema)
        self.session.execute(f"create table {relation.sql} ({columns})")


def _nothing(shape: Shape, is_of_others: bool = False) -> str:
    """Return a query of no rows: where a session may only read, no table can be made. `where false` tells that it stands for a
    table that sqlflow did not make, which may have a primary key.
    """
    listed = ", ".join(f"cast(null as {column.type}) as {quoted(column.name)}" for column in shape.columns)
    return f"(select {listed} where {'false' if is_of_others else '1 = 0'})"
