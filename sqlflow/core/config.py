"""What a user may say in `sqlflow.yml` and in front matter, as frozen values.

The descriptions are the documentation of the keys: the JSON Schema and the reference page are made from them.
"""

from typing import Annotated, Any, ClassVar, Literal

from msgspec import Meta, Struct, field

from sqlflow.core.column_config import ColumnConfig, Raw, Text

Materialize = Literal["view", "table", "incremental", "snapshot", "materialized_view", "ephemeral"]
Severity = Literal["error", "warn"]
Duration = Annotated[float, Meta(extra={"read": "duration"})]
"""Seconds; written as a number, or as text such as `30s`, `5m`, `2h`, `2 days`."""
Size = Annotated[int, Meta(extra={"read": "size"})]
"""Bytes; written as text such as `500MB` or `2GB`, in steps of 1024."""
Moment = Annotated[str, Meta(extra={"read": "moment"})]
"""A time in UTC; written as `2026-01-31` or `2026-01-31 05:00`, kept as `core.spans.written` writes it."""


class IndexConfig(Struct, frozen=True, kw_only=True):
    """An index of a table. A column's name, or a list of them, is `columns`."""

    SHORT: ClassVar[str] = "columns"
    columns: Annotated[tuple[Text, ...], Meta(description="The columns, in order.")] = ()
    expressions: Annotated[
        tuple[Text, ...], Meta(description="What is indexed behind the columns, such as `lower(email)`.")
    ] = ()
    where: Annotated[str, Meta(description="Which rows the index holds: a condition in SQL; without it, all.")] = ""
    unique: Annotated[bool, Meta(description="Whether the index is unique.")] = False


class RetriesConfig(Struct, frozen=True, kw_only=True):
    """How often what failed is tried again. A plain number is `count`."""

    SHORT: ClassVar[str] = "count"
    count: Annotated[int, Meta(description="How many more tries there are after the first.", ge=0, le=100)] = 0
    delay: Annotated[Duration, Meta(description="How long to wait before the second try.")] = 30.0
    backoff: Annotated[
        float, Meta(description="By how much each later wait is longer than the one before.", ge=1, le=100)
    ] = 2.0


class WaitConfig(Struct, frozen=True, kw_only=True):
    """Something that must come first: one of `file`, `query` and `time`."""

    file: Annotated[Text | None, Meta(description="A file or a glob below the project that must be there.")] = None
    query: Annotated[Raw, Meta(description="A SELECT of one value that must be true.")] = None
    time: Annotated[Text | None, Meta(description="A time of day that must have come, such as `06:30`.")] = None
    timezone: Annotated[Text, Meta(description="The time zone of `time`, such as `Europe/Berlin`.")] = "UTC"
    every: Annotated[Duration, Meta(description="How often it is looked for.")] = 10.0
    timeout: Annotated[
        Duration, Meta(description="How long it is waited for; then the block or the run has failed.")
    ] = 3600.0


class ExportConfig(Struct, frozen=True, kw_only=True):
    """Where else the rows of a block go. A plain text is `path`."""

    SHORT: ClassVar[str] = "path"
    path: Annotated[
        Raw, Meta(description="A file below one of the project's `export_paths`; templates work in it.")
    ] = None
    format: Annotated[
        Literal["parquet", "csv", "json"] | None, Meta(description="The file's form, where its name does not say it.")
    ] = None
    compression: Annotated[
        Literal["none", "gzip", "zstd", "snappy"] | None,
        Meta(description="How the file is packed; `snappy` is for Parquet, whose default is `zstd`."),
    ] = None
    delimiter: Annotated[Text | None, Meta(description="CSV: what stands between values, a comma without it.")] = None
    target: Annotated[
        Text | None, Meta(description="Another target: the rows go into a table of it instead of a file.")
    ] = None
    table: Annotated[
        Raw, Meta(description="The table of the other target, as `schema.name`; without it, named like the block.")
    ] = None
    mode: Annotated[
        Literal["replace", "append", "upsert"] | None,
        Meta(description="What becomes of the rows that the table has; without it, `replace`."),
    ] = None
    key: Annotated[
        tuple[Text, ...], Meta(description="With `upsert`: the columns that tell which rows are replaced.")
    ] = ()


class OriginConfig(Struct, frozen=True, kw_only=True):
    """Where a copy of a block came from. A plain text is `block`."""

    SHORT: ClassVar[str] = "block"
    block: Annotated[Text, Meta(description="The block that was copied.")]
    code: Annotated[str, Meta(description="A hash of its file when it was copied.")] = ""


class BlockConfig(Struct, frozen=True, kw_only=True):
    """The front matter of a block, the sidecar of a seed, and the values of `defaults`."""

    description: Annotated[str, Meta(description="What one row of the block is; kept as the relation's comment.")] = ""
    materialize: Annotated[
        Materialize,
        Meta(description="How the block is kept: as a table or a view of one kind, or inlined as a CTE (`ephemeral`)."),
    ] = "table"
    strategy: Annotated[
        Literal["append", "merge", "delete_insert", "time_range"] | None,
        Meta(description="Incremental blocks: what becomes of the rows that are there when new ones come."),
    ] = None
    key: Annotated[
        tuple[Text, ...],
        Meta(
            description="Incremental blocks and snapshots: the columns that tell which rows new ones replace or follow."
        ),
    ] = ()
    updated_at: Annotated[
        Text | None, Meta(description="Snapshots: the column that tells since when a row is as it is.")
    ] = None
    check: Annotated[
        tuple[Text, ...],
        Meta(description="Snapshots: the columns whose change is a new version of a row, or `all` columns."),
    ] = ()
    hard_deletes: Annotated[
        Literal["close", "ignore"],
        Meta(description="Snapshots: what becomes of a row whose key the query does not give any more."),
    ] = "close"
    time_column: Annotated[
        Text | None, Meta(description="Time ranges: the column that tells in which interval a row lies.")
    ] = None
    interval: Annotated[
        Literal["hour", "day", "week", "month"] | None,
        Meta(description="Time ranges: how long an interval is; one is built when it has ended, in UTC."),
    ] = None
    start: Annotated[Moment | None, Meta(description="Time ranges: the moment at which the first interval begins.")] = (
        None
    )
    end: Annotated[
        Moment | None,
        Meta(description="Time ranges: the moment at which the last interval ends; without it, there is none."),
    ] = None
    lookback: Annotated[
        int,
        Meta(description="Time ranges: how many of the latest intervals each build makes again, for late rows.", ge=0),
    ] = 0
    batch_size: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        Meta(description="Time ranges: how many intervals the query is asked for at once; without it, all."),
    ] = None
    on_schema_change: Annotated[
        Literal["fail", "ignore", "append", "sync"],
        Meta(
            description="Incremental blocks and snapshots: what to do when new rows have other columns than the table that"
            " is there."
        ),
    ] = "fail"
    on_change: Annotated[
        Literal["rebuild", "forward_only"],
        Meta(
            description="Incremental blocks: whether a changed query or setting builds the table anew, or gives new rows"
            " alone."
        ),
    ] = "rebuild"
    protect: Annotated[
        bool | None,
        Meta(
            description="Incremental blocks and snapshots: whether to refuse what would build the table anew, from nothing."
        ),
    ] = None
    schema: Annotated[Text | None, Meta(description="The schema, instead of the folder's name.")] = None
    name: Annotated[Text | None, Meta(description="The table's name, instead of the file's name.")] = None
    tags: Annotated[tuple[Text, ...], Meta(description="Words to select by: `tag:daily`.")] = ()
    owner: Annotated[str, Meta(description="Who answers for the block: `owner:data-team` selects by it.")] = ""
    enabled: Annotated[bool, Meta(description="Whether the block is part of the project.")] = True
    dialect: Annotated[
        Text | None, Meta(description="The SQL dialect that the block is written in, instead of the project's.")
    ] = None
    target: Annotated[
        Text | None, Meta(description="The target in which the block is built, instead of the project's.")
    ] = None
    depends_on: Annotated[
        tuple[Text, ...], Meta(description="Blocks that must be built before, where the SQL does not name them.")
    ] = ()
    indexes: Annotated[tuple[IndexConfig, ...], Meta(description="Indexes of the table.")] = ()
    order_by: Annotated[tuple[Text, ...], Meta(description="How the rows of the table are laid down.")] = ()
    options: Annotated[
        dict[str, Any], Meta(description="The engine's own options of the table, such as `fillfactor` on Postgres.")
    ] = {}
    grants: Annotated[
        dict[str, tuple[Text, ...]],
        Meta(description="Who may do what with the published relation: lists of roles by privilege."),
    ] = {}
    pre_statements: Annotated[
        tuple[Text, ...], Meta(description="SQL statements that run before the block is built.")
    ] = ()
    post_statements: Annotated[
        tuple[Text, ...], Meta(description="SQL statements that run after the block is built, before its assertions.")
    ] = ()
    refresh: Annotated[
        Literal["always", "hourly", "daily", "never"],
        Meta(
            description="When to build again what gives another result each time, or reads a table of unknown version."
        ),
    ] = "always"
    content_hash: Annotated[
        bool, Meta(description="Whether readers are left alone when the block is built again and holds the same.")
    ] = True
    contract: Annotated[
        bool, Meta(description="Whether the declared columns and types must be exactly those of the result.")
    ] = False
    timeout: Annotated[
        Duration | None, Meta(description="How long building the block may take: `30s`, `5m`, or seconds.")
    ] = None
    pool: Annotated[
        Text | None, Meta(description="Which of the project's `pools` the block takes a place in while it is built.")
    ] = None
    weight: Annotated[int, Meta(description="How many places of its pool the block takes.", ge=1, le=256)] = 1
    priority: Annotated[
        int, Meta(description="What is built first of blocks that could be: the higher, the sooner.", ge=-1000, le=1000)
    ] = 0
    fresh_within: Annotated[Duration | None, Meta(description="How old the block's data may be, such as `6h`.")] = None
    retries: Annotated[
        RetriesConfig | None, Meta(description="How often the block is tried again when building it has failed.")
    ] = None
    when: Annotated[
        Raw, Meta(description="Whether the block is wanted: `true` or `false`, as a template gives it, or a query.")
    ] = None
    wait_for: Annotated[
        tuple[WaitConfig, ...], Meta(description="What must come before the block is built: a file, a query, a time.")
    ] = ()
    on_success: Annotated[
        Raw, Meta(description="SQL statements that run when the block was built and is published.")
    ] = None
    on_failure: Annotated[
        Raw, Meta(description="SQL statements that run when the block or an assertion on it has failed.")
    ] = None
    export: Annotated[
        tuple[ExportConfig, ...],
        Meta(description="Files, and tables of other targets, that get the block's rows when they are published."),
    ] = ()
    origin: Annotated[
        OriginConfig | None, Meta(description="The block that this one was copied from, by `sqlflow detach`.")
    ] = None
    inputs: Annotated[
        dict[str, Text], Meta(description="Function blocks: the block or source that a parameter takes, by its name.")
    ] = {}
    requirements: Annotated[
        tuple[Text, ...], Meta(description="Function blocks: packages that must be installed before the run begins.")
    ] = ()
    memory_limit: Annotated[
        Size | None, Meta(description="Function blocks: how much memory the function's process may take, as `2GB`.")
    ] = None
    if_missing: Annotated[
        Literal["fail", "skip"],
        Meta(description="Function blocks: what to do where the interpreter or a package is not installed."),
    ] = "fail"
    columns: Annotated[dict[str, ColumnConfig], Meta(description="The columns, by name.")] = {}
    assertions: Annotated[Raw, Meta(description="What must hold of the block's rows.")] = field(
        default=None, name="assert"
    )


class InstanceConfig(Struct, frozen=True, kw_only=True):
    """A block that is another one with other vars, in a `.yml` file of a block folder."""

    use: Annotated[Text, Meta(description="The block that it is, with or without its schema.")]
    vars: Annotated[dict[str, Any], Meta(description="The vars that have another value in it.")] = field(
        default_factory=dict, name="with"
    )
    name: Annotated[
        Text | None,
        Meta(description="Its table, `schema.name` or in the schema of the block; without it, the file's name."),
    ] = field(default=None, name="as")
    description: Annotated[str, Meta(description="What one row of it is, instead of the block's own description.")] = ""


class AssertionFileConfig(Struct, frozen=True, kw_only=True):
    """The front matter of a file in `assertions/`."""

    name: Annotated[Text | None, Meta(description="The assertion's name, instead of the file's name.")] = None
    description: Annotated[str, Meta(description="What the assertion says, in a sentence.")] = ""
    severity: Annotated[Severity, Meta(description="`error` stops publishing, `warn` is only told.")] = "error"
    fail_above: Annotated[Raw, Meta(description="How many failing rows are borne, such as `10`.")] = None
    sample_rows: Annotated[int, Meta(description="How many failing rows are kept and shown.", ge=0, le=1000)] = 10
    enabled: Annotated[bool, Meta(description="Whether the assertion is part of the project.")] = True
    target: Annotated[
        Text | None, Meta(description="The target in which the query runs, instead of the project's.")
    ] = None
    timeout: Annotated[Duration | None, Meta(description="How long the query may take.")] = None


class UnitTestConfig(Struct, frozen=True, kw_only=True):
    """One test of a file in `unit_tests/`, below its name."""

    description: Annotated[str, Meta(description="What the test says, in a sentence.")] = ""
    block: Annotated[Raw, Meta(description="The block that is tested, with or without its schema.")]
    given: Annotated[Raw, Meta(description="The rows of each input of the block, by the input's name.")] = None
    expect: Annotated[Raw, Meta(description="The rows that the block must make of them, in any order.")]
    vars: Annotated[dict[str, Any], Meta(description="Vars that have another value in this test.")] = {}
    now: Annotated[Raw, Meta(description="The moment at which the clock of the block's SQL stands still.")] = None


class SourceConfig(Struct, frozen=True, kw_only=True):
    """One source: a table that is in the target already, or files."""

    SHORT: ClassVar[str] = "description"
    description: Annotated[str, Meta(description="What one row of the source is.")] = ""
    files: Annotated[
        Text | None, Meta(description="A file or a glob below the project: CSV, Parquet or JSON. Without it, a table.")
    ] = None
    version: Annotated[
        Text | None, Meta(description="A query whose result is another one whenever the table holds something else.")
    ] = None
    fresh_within: Annotated[Duration | None, Meta(description="How old its newest data may be, such as `6h`.")] = None
    loaded_at: Annotated[
        Text | None, Meta(description="Tables: the column that tells when a row was loaded, or a SELECT of one time.")
    ] = None
    options: Annotated[dict[str, Any], Meta(description="Options of the engine's reader, such as `nullstr: NA`.")] = {}
    columns: Annotated[dict[str, ColumnConfig], Meta(description="The columns, by name.")] = {}


class ServiceConfig(Struct, frozen=True, kw_only=True):
    """How `sqlflow serve` runs the project's pipelines, and where their history lies."""

    history: Annotated[
        str, Meta(description="The run history: a URL of Postgres; without it, the file `.sqlflow/history.db`.")
    ] = ""
    keep: Annotated[Duration, Meta(description="How long runs stay in the history.")] = 90 * 86400.0
    runs: Annotated[int, Meta(description="How many runs are on at once.", ge=1, le=256)] = 4
    threads: Annotated[
        Annotated[int, Meta(ge=1, le=1024)] | None,
        Meta(description="How many blocks all runs together build at once; without it, as many as each run may."),
    ] = None


class NotificationConfig(Struct, frozen=True, kw_only=True):
    """Where people are told of runs. A plain text, or a list of them, is `urls`."""

    SHORT: ClassVar[str] = "urls"
    urls: Annotated[
        tuple[Text, ...],
        Meta(description="Where messages go, each as a URL of Apprise: mail, chats, webhooks. They are secrets."),
    ]


class ProjectConfig(Struct, frozen=True, kw_only=True):
    """The project file, `sqlflow.yml`."""

    name: Annotated[Text, Meta(description="The project's name.")]
    target: Annotated[
        Text | None, Meta(description="The target that is built without `--target`; may be left out if there is one.")
    ] = None
    targets: Annotated[
        dict[str, Raw], Meta(description="Connections by name, each with its `engine` and that engine's keys.")
    ] = {}
    dialect: Annotated[
        Text | None, Meta(description="The SQL dialect that blocks are written in; without it, that of the target.")
    ] = None
    threads: Annotated[int, Meta(description="How many blocks are built at once.", ge=1, le=256)] = 4
    vars: Annotated[dict[str, Any], Meta(description="Values that templates read with `var('name')`.")] = {}
    env: Annotated[
        tuple[Text, ...], Meta(description="Environment variables that templates may read with `env('NAME')`.")
    ] = ()
    sources: Annotated[
        dict[str, dict[str, SourceConfig]], Meta(description="Sources: schema, then table, then what it is.")
    ] = {}
    defaults: Annotated[
        dict[str, Raw], Meta(description="Front matter for all blocks below a folder; the nearest folder wins.")
    ] = {}
    keep: Annotated[
        Duration, Meta(description="How long versions are kept that nothing shows any more, to be used again.")
    ] = 7 * 86400.0
    pools: Annotated[
        dict[str, Annotated[int, Meta(ge=1)]],
        Meta(
            description="How many blocks of a pool are built at once; the pools `python` and `r` are there by themselves."
        ),
    ] = {}
    export_paths: Annotated[
        tuple[Text, ...], Meta(description="The folders into which blocks may export: in the project, or absolute.")
    ] = ("exports",)
    block_paths: Annotated[tuple[Text, ...], Meta(description="The folders that hold blocks.")] = ("blocks",)
    timeout: Annotated[Duration | None, Meta(description="How long building one block may take.")] = None
    memory_limit: Annotated[
        Size | None, Meta(description="How much memory the process of a function block may take, as `2GB`.")
    ] = None
    notifications: Annotated[
        dict[str, Raw], Meta(description="Where people are told of runs, by the names that pipelines use.")
    ] = {}
    service: Annotated[ServiceConfig, Meta(description="How `sqlflow serve` runs pipelines.")] = ServiceConfig()
