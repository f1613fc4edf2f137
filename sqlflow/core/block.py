"""What a project is made of: blocks, assertions and the queries in them."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from msgspec import Struct, field

from sqlflow.core.config import BlockConfig, ProjectConfig, Severity, SourceConfig
from sqlflow.core.engine import Engine
from sqlflow.core.environment import PROD, Environment
from sqlflow.core.flow import PLAIN, Flow
from sqlflow.core.names import TableName
from sqlflow.core.runtime import Declared, Runtime
from sqlflow.core.text import MappedText, Place, SourceFile
from sqlflow.core.unit_test import UnitTest


class TableUse(Struct, frozen=True):
    """One place of a query where a table is named, as offsets into the query's text.

    `aliased` is false where the table has no alias of its own, so that one must be given when the name is
    replaced. `qualifier` marks the `schema.table` in front of a column: it becomes the bare table name.
    """

    name: TableName
    start: int
    end: int
    aliased: bool = False
    qualifier: bool = False
    alias: str = ""
    """The alias to give instead of the bare name, where another table of that bare name stands beside it."""


class Reads(Struct, frozen=True):
    """What a template read while it was rendered: it belongs to the block's identity.

    `vars` and `env` hold the values read; `macros` the names of the macros that were called; `refs` the names
    given to `ref()`; `queries` the texts given to `query()`.
    """

    vars: tuple[tuple[str, str], ...] = ()
    env: tuple[tuple[str, str], ...] = ()
    macros: tuple[str, ...] = ()
    refs: tuple[str, ...] = ()
    queries: tuple[str, ...] = ()


class Query(Struct, frozen=True):
    """One SELECT, rendered, and what it reads.

    `text` has no trailing semicolon. `opaque` says that sqlglot could not read it and the engine's own parser named
    the tables. `dynamic` says that it calls `query()`: it is rendered again when its inputs are there.
    """

    text: MappedText
    tables: tuple[TableUse, ...] = ()
    files: tuple[str, ...] = ()
    reads: Reads = Reads()
    opaque: bool = False
    dynamic: bool = False
    named: frozenset[TableName] = frozenset()
    """Tables that are read without a place in the text: from `query()`, and what `depends_on` says."""
    unclear: frozenset[TableName] = frozenset()
    """Names in opaque SQL that are a CTE's as well, so that they cannot be replaced."""
    code: str = ""
    """A hash of the query's tokens: comments and white space do not count."""
    volatile: str = ""
    """Why the same inputs may give another result; empty if they cannot."""
    unnamed: tuple[int, ...] = ()
    """Offsets of the result's expressions that have no name."""

    @property
    def inputs(self) -> frozenset[TableName]:
        """The names of all tables that are read, as written."""
        return self.named | {use.name for use in self.tables if not use.qualifier}


class Function(Struct, frozen=True):
    """A function of a Python or R file, and what it reads.

    `text` is the whole file, so that the places of `tables` are those of the parameters. `arguments` are the tables by
    parameter; `values` the options that the project's vars set. `tables` holds those of `context.sql()` too. `names_target`
    tells whether it may ask `context` for the target's name.
    """

    runtime: Runtime
    declared: Declared
    text: MappedText
    arguments: tuple[tuple[str, TableName], ...] = ()
    tables: tuple[TableUse, ...] = ()
    values: Mapping[str, Any] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    reads: Reads = Reads()
    named: frozenset[TableName] = frozenset()
    code: str = ""
    volatile: str = ""
    unclear: frozenset[TableName] = frozenset()
    names_target: bool = False

    @property
    def taken(self) -> frozenset[TableName]:
        """The tables that parameters take, as written."""
        return frozenset(table for _, table in self.arguments)

    @property
    def inputs(self) -> frozenset[TableName]:
        """The names of all tables that are read, as written."""
        return self.named | {use.name for use in self.tables}


class Code(Protocol):
    """What makes a block's rows, or an assertion's: a query or a function, and what it reads."""

    @property
    def text(self) -> MappedText: ...
    @property
    def tables(self) -> tuple[TableUse, ...]: ...
    @property
    def files(self) -> tuple[str, ...]: ...
    @property
    def reads(self) -> Reads: ...
    @property
    def code(self) -> str: ...
    @property
    def volatile(self) -> str: ...
    @property
    def unclear(self) -> frozenset[TableName]: ...
    @property
    def inputs(self) -> frozenset[TableName]: ...


class Threshold(Struct, frozen=True):
    """How much failing is borne: `rows`, and `share` of the block's rows (0.001 is 0.1 %)."""

    rows: int = 0
    share: float | None = None


class Assertion(Struct, frozen=True):
    """A query whose rows break a rule, or a function that finds them; none is a pass.

    `block` is None for a file of `assertions/`.
    """

    name: str
    kind: str
    block: TableName | None
    code: Query | Function
    place: Place
    severity: Severity = "error"
    fail_above: Threshold = Threshold()
    sample_rows: int = 10
    timeout: float | None = None
    description: str = ""
    path: str = ""
    target: str = ""
    """The target in which a file's query runs; empty for the project's. A block's assertions run where the block is."""
    new_only: bool = False
    """Whether it looks at the new rows of an incremental block alone."""
    columns: tuple[str, ...] = ()
    """Those that are unique together; empty where it says that of some rows only, or something else."""

    @property
    def key(self) -> str:
        """The name that is unique in the project: `staging.stg_orders: unique(order_id)`, or the file's name."""
        return f"{self.block}: {self.name}" if self.block else self.name


class Instance(Struct, frozen=True):
    """That a block is another one, `of`, with other values of some vars; `place` is where that is said."""

    of: TableName
    vars: Mapping[str, Any]
    place: Place


class Block(Struct, frozen=True):
    """One file that defines one dataset. `kind` is `sql`, `seed`, or the name of the runtime of its function."""

    name: TableName
    kind: str
    source: SourceFile
    config: BlockConfig
    code: Query | Function | None
    """What makes its rows; None for a seed."""
    assertions: tuple[Assertion, ...] = ()
    body: int = 0
    """Offset in the file at which the SQL begins, behind the front matter."""
    pre_statements: tuple[Query, ...] = ()
    post_statements: tuple[Query, ...] = ()
    continuing: Query | None = None
    """What makes the new rows of an incremental block, where that is another query than `code`. It may read the block."""
    flow: Flow = PLAIN
    instance: Instance | None = None

    @property
    def vars(self) -> Mapping[str, Any]:
        """The vars that have other values in it than in the project."""
        return self.instance.vars if self.instance else {}

    @property
    def path(self) -> str:
        """The file that says that it is there; that of its code is another one for an instance."""
        return self.instance.place.path if self.instance else self.source.path

    @property
    def form(self) -> str:
        """The word for it in listings: how SQL is materialized, else its kind."""
        return self.config.materialize if self.kind == "sql" else self.kind

    @property
    def pool(self) -> str:
        """The pool in which it takes places: the one that it names, else its runtime's; empty for none."""
        return self.config.pool or (self.kind if self.function else "")

    @property
    def says_lineage(self) -> bool:
        """Tell whether it says of a column what that is made from."""
        return any(column.made_from for column in self.config.columns.values())

    def key_place(self, key: str) -> Place:
        """Return where a key of its settings is written; the file's begin if it is not, as for a default."""
        end = self.body if self.kind == "sql" else None
        found = re.compile(rf"(?<![\w.]){key}(?=\W*[:=])").search(self.source.text[:end])
        return self.source.place(found.start(), len(key)) if found else Place(self.source.path)

    @property
    def is_incremental(self) -> bool:
        return self.config.materialize == "incremental"

    @property
    def is_snapshot(self) -> bool:
        return self.config.materialize == "snapshot"

    @property
    def is_protected(self) -> bool:
        """Whether to refuse what would begin with nothing: a history cannot be made again."""
        return self.is_snapshot if self.config.protect is None else self.config.protect

    @property
    def is_continued(self) -> bool:
        """Whether what it holds depends on the version that it has gone on from."""
        return self.config.materialize in ("incremental", "snapshot")

    @property
    def keeps_new_rows(self) -> bool:
        """Whether the new rows of a version can be told from the others."""
        return any(assertion.new_only for assertion in self.assertions)

    @property
    def is_ranged(self) -> bool:
        """Whether its rows are built interval by interval."""
        return self.is_incremental and self.config.strategy == "time_range"

    @property
    def query(self) -> Query | None:
        """The SELECT of a SQL block."""
        return self.code if isinstance(self.code, Query) else None

    @property
    def function(self) -> Function | None:
        """The function of a function block."""
        return self.code if isinstance(self.code, Function) else None


class Target(Struct, frozen=True):
    """A connection to an engine, by name. `settings` is the engine's own frozen value."""

    name: str
    engine: Engine
    settings: Any
    schema: str


class Project(Struct, frozen=True):
    """A folder as it was read: all its blocks and assertions, and the settings that shape them."""

    root: Path
    config: ProjectConfig
    target: Target
    blocks: Mapping[TableName, Block]
    assertions: tuple[Assertion, ...]
    sources: Mapping[TableName, SourceConfig]
    vars: Mapping[str, Any]
    macro_files: tuple[SourceFile, ...] = ()
    secrets: frozenset[str] = frozenset()
    warnings: tuple[str, ...] = ()
    disabled: Mapping[TableName, str] = field(default_factory=dict)
    """The blocks that are switched off by `enabled: false`, and their files."""
    skipped: tuple[str, ...] = ()
    """Files below the block folders that were passed over, such as dot files."""
    environment: Environment = PROD
    """Where its blocks are published."""
    unit_tests: tuple[UnitTest, ...] = ()
    targets: Mapping[str, Target] = field(default_factory=dict)
    """The targets that blocks and assertions name beside `target`, by name."""
    elsewhere: Mapping[TableName, str] = field(default_factory=dict)
    """In what one target sees of a project: the blocks of the others, and the names of their targets."""

    def target_of(self, block: Block) -> Target:
        """Return the target in which a block is built."""
        return self.targets.get(block.config.target or "", self.target)
