"""The contract of an engine adapter: a dumb driver that runs SQL.

An adapter is a module-level object named in the entry points `sqlflow.engines`. It knows nothing of blocks,
plans or state: it opens a target, runs statements, and tells its errors as `StatementError`, `BusyError` or
`TargetError`. `sqlflow.testing` holds the suite that every adapter passes.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from msgspec import Struct

from sqlflow.core.config import BlockConfig, IndexConfig
from sqlflow.core.names import TableName

if TYPE_CHECKING:
    import pyarrow as pa


class Column(Struct, frozen=True):
    """A column of a relation or query; `type` is the engine's own spelling, empty for a bare NULL."""

    name: str
    type: str


class Relation(Struct, frozen=True):
    """A table or view that is in the target. `definition` is a view's SQL as the engine keeps it."""

    name: TableName
    kind: Literal["table", "view", "materialized view"]
    definition: str = ""
    is_lost: bool = False
    """Whether its rows may be gone, as those of an unlogged table after a crash of the server."""
    comment: str = ""
    """A table's comment."""


class Rows(Struct, frozen=True):
    """A result held in memory: column names, and tuples of Python values."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


class Holder(Struct, frozen=True):
    """The process that holds a lease: `since` is a time in UTC as text."""

    host: str
    pid: int
    run: str
    since: str


class Describer(Protocol):
    """What tells the columns of queries: the part of a session that static checks need."""

    def execute(self, sql: str) -> int | None:
        """Run one statement, as `Session.execute`."""

    def load(
        self, relation: TableName, batches: "pa.RecordBatchReader", options: Mapping[str, Any] | None = None
    ) -> None:
        """Make a table, as `Session.load`."""

    def columns(self, sql: str) -> tuple[Column, ...]:
        """Return the columns of a query, as `Session.columns`."""


class Session(Protocol):
    """One line of work in an open target: used by one thread at a time."""

    def execute(self, sql: str) -> int | None:
        """Run one statement and return how many rows it wrote, where the engine tells.

        Raise StatementError if the engine refuses it.
        """

    def rows(self, sql: str, limit: int | None = None) -> Rows:
        """Return the first `limit` rows of a query, or all."""

    def batches(self, sql: str) -> "pa.RecordBatchReader":
        """Return the rows of a query as a stream of Arrow batches, each value as it is.

        Raise StatementError, also while it is read, for what the engine refuses and for a value that Arrow cannot hold exactly.
        """

    def load(
        self, relation: TableName, batches: "pa.RecordBatchReader", options: Mapping[str, Any] | None = None
    ) -> None:
        """Create the table `relation` from a stream of Arrow batches, as a block's `options` say."""

    def columns(self, sql: str) -> tuple[Column, ...]:
        """Return the columns of a query without running it, in order, duplicates included."""

    def transaction(self, lock_seconds: float | None = None) -> AbstractContextManager[None]:
        """Commit what is run inside, or roll all of it back if it raises.

        A statement inside waits at most `lock_seconds` for somebody else's lock, where the engine has such locks; then
        it raises a transient StatementError.
        """

    def show(self, view: TableName, relation: TableName, cascade: bool = False) -> None:
        """Make `view` a view of all that `relation` holds, in place of what it showed; its rights and comments stay.

        Raise StatementError, with their names, if views of others stand in the way; `cascade` drops them.
        """

    def label(self, text: str) -> None:
        """Say in the target what the statements from now on belong to, where the engine has a place for it."""

    def interrupt(self) -> None:
        """Stop the statement that runs now; may be called from another thread."""

    def close(self) -> None: ...


class Connection(Protocol):
    """An open target."""

    server: str
    """The server's version, as far as it may change results; empty where `Engine.version` says it all."""
    wants_copy: bool
    """Whether its settings ask for a copy of what is published."""

    def definitions(self) -> str:
        """Return a hash of the functions, types and operators that somebody has made in the target and that may stand for
        built-in ones in a query, or shape what it gives without being called; empty if there are none.
        """

    def session(self, run: str = "") -> Session:
        """Return a new session, which tells the target that it works for `run`, where the engine has a place for it."""

    def relations(self, schemas: Sequence[str]) -> tuple[Relation, ...]:
        """Return all tables and views of the given schemas, sqlflow's own included."""

    def dependents(self, relations: Sequence[TableName]) -> tuple[tuple[TableName, TableName], ...]:
        """Return which of the relations is read by which view, where the engine keeps account of it."""

    def settle(self, is_stopped: Callable[[], bool]) -> str:
        """Wait until no reader is left who would find a version empty that was built after it had begun to read.

        Return for whom it has waited in vain, or an empty text; at once where the engine has no such readers, and soon after
        `is_stopped` has begun to tell that waiting is to end.
        """

    def has_ended(self, holder: Holder) -> bool:
        """Tell whether the process of `holder` is known to have ended; False where the engine cannot tell."""

    def write_copy(self, names: Sequence[TableName], run: str) -> None:
        """Copy the published relations to where the target's settings say, as `run` has published them.

        Do nothing where the copy is of that run already. Raise TargetError if it cannot be written.
        """

    def close(self) -> None: ...


class Engine(Protocol):
    """What an adapter offers before anything is opened."""

    name: str
    """The word in `engine: …`."""
    dialect: str
    """The name of its sqlglot dialect."""
    temporary: str
    """The schema of tables that nobody else sees: in what `scratch` gives or, without that, a session's own."""
    folds_names: bool
    """Whether the case of a name without quotes tells nothing: not even a column that is made gets it."""
    fuses_counts: bool
    """Whether many `count(*) filter (where …)` in one scan of a table take less than a query for each."""
    settings: type[Any]
    """A frozen msgspec Struct: the keys that a target of this engine may have."""
    options: type[Any]
    """A frozen msgspec Struct: the keys that a block's `options` may have, all with a default."""

    def default_schema(self, settings: Any) -> str:
        """Return the schema in which a bare table name is looked up."""

    def catalog(self, settings: Any) -> str:
        """Return the database's name as it may stand in front of `schema.table`."""

    def secrets(self, settings: Any) -> frozenset[str]:
        """Return what of the settings no output may show, such as the password in a URL."""

    def open(self, settings: Any, root: Path, readonly: bool = False) -> Connection:
        """Open the target. Raise BusyError if somebody else holds it, TargetError if it cannot be had."""

    def files(self, settings: Any, root: Path) -> "tuple[Path, ...]":
        """Return the files that hold all of a target while nobody has it open, also those that are there only now and then.

        Where they are as they were, so is the target, and all that its settings ask for. Empty for one that is a server, or
        whose settings ask for more than files of its own tell.
        """

    def scratch(self, settings: Any) -> Any | None:
        """Return the settings of an empty target in memory that runs SQL as this one does; None where there is no such thing.

        Then unit tests run in a transaction of the target that is rolled back.
        """

    def limited(self, settings: Any, memory_bytes: int) -> Any:
        """Return the settings of a target that takes at most so much memory; as they are where the engine has no such limit."""

    def table_names(self, sql: str) -> frozenset[TableName] | None:
        """Return the tables that a query reads by the engine's own parser; None where it cannot tell."""

    def syntax_error(self, sql: str) -> "tuple[str, int | None] | None":
        """Return what the engine's own parser says against `sql`, and at which character; None for valid SQL."""

    def version(self) -> str:
        """Return the engine's version: another one may give other rows, so that it is a part of every key."""

    def stability(self, function: str) -> Literal["stable", "volatile", "unknown"]:
        """Tell whether a function gives the same result for the same arguments, always; names are lower case."""

    def is_of_now(self, word: str, is_text: bool) -> bool:
        """Tell whether a word in lower case without brackets stands for what the clock or the session says, as `user` may;
        with `is_text`, whether a text does, as 'today' may.
        """

    def adapted(self, tree: Any) -> Any:
        """Return sqlglot's tree of a query of another dialect with what sqlglot would not write rightly for the engine."""

    def type_name(self, text: str) -> str:
        """Return a type in the one spelling that all its synonyms share."""

    def file_query(self, path: str, options: dict[str, Any]) -> str | None:
        """Return a SELECT that reads files; `path` is absolute and may be a glob. None where the engine reads no files."""

    def as_arrow(self, column: Column) -> str | None:
        """Return the expression that gives a column as Arrow holds it exactly; None for a type that it cannot hold."""

    def carried(self, column: Column) -> str | None:
        """Return the expression that gives a column to another engine; None for a type that would be another one there."""

    def sent(self, columns: Sequence[Column]) -> "pa.Schema":
        """Return what columns are as Arrow when they are carried to another engine; each must be one that `carried` gives."""

    def loaded(self, schema: "pa.Schema") -> tuple[Column, ...]:
        """Return the columns of the table that a session loads Arrow batches into. Raise StatementError for what it refuses."""

    def unfit(self, config: BlockConfig) -> Iterable[tuple[str, str]]:
        """Return which of a block's settings the engine does not have: their keys, and what there is to say."""

    def create(self, relation: TableName, kind: str, options: Mapping[str, Any]) -> str:
        """Return what stands before `as` and a query in the statement that makes a `kind` of relation of it."""

    def arranged(self, relation: TableName, options: Mapping[str, Any], ask: Callable[[str], Rows]) -> Iterable[str]:
        """Yield the statements that give a table that has just been made the form that `options` ask for.

        Each is run before the next is asked for. Raise StatementError for what cannot be done to its columns.
        """

    def index(self, relation: TableName, name: str, index: IndexConfig) -> str:
        """Return the statement that creates an index."""

    def analyzed(self, relation: TableName, options: Mapping[str, Any]) -> Iterable[str]:
        """Return the statements that let the engine's planner know the rows of a table that is finished."""

    def granted(
        self, view: TableName, grants: Mapping[str, Sequence[str]], given: Mapping[str, Sequence[str]],
        ask: Callable[[str], Rows],
    ) -> Iterable[str]:  # fmt: skip
        """Return the statements after which each privilege that is named is held by the roles that are named, and no others.

        Of the privileges that are not named, the roles in `given` lose what they were given; all others keep what they have.
        """

    def failing_pattern(self, column: str, pattern: str) -> str:
        """Return the condition that is true for a text in which the regular expression is not found."""

    def older_than(self, value: str, seconds: float) -> str:
        """Return the condition that is true if the time `value` is more than `seconds` ago, or NULL."""

    def content(self, relation: TableName, columns: Sequence[Column], ordered: bool) -> str | None:
        """Return the query whose one row is the same for the same rows, in any order, and surely another for others.

        Counted are the given columns alone; with `ordered` the order in which the rows lie as well. None if the engine
        cannot tell.
        """
