"""What a Postgres target may say in `sqlflow.yml`."""

from typing import Annotated, ClassVar, Literal

from msgspec import Meta, Struct

from sqlflow.core.config import Duration

Fillfactor = Annotated[int, Meta(ge=10, le=100)]


class PartitionConfig(Struct, frozen=True, kw_only=True):
    """How a table is divided. A column's name is `column`."""

    SHORT: ClassVar[str] = "column"
    column: Annotated[str, Meta(description="The column of dates or times that tells a row's part.", min_length=1)]
    every: Annotated[Literal["day", "week", "month", "quarter", "year"], Meta(description="How long a part is.")] = (
        "month"
    )


class PostgresOptions(Struct, frozen=True, kw_only=True):
    """The keys of `options` of a block."""

    unlogged: Annotated[
        bool,
        Meta(description="Whether the table is written without a log: faster, and empty after a crash of the server."),
    ] = False
    fillfactor: Annotated[Fillfactor | None, Meta(description="How full the pages are packed, in percent.")] = None
    statistics: Annotated[
        dict[str, Annotated[int, Meta(ge=0, le=10000)]],
        Meta(description="How closely the planner looks at a column: its statistics target."),
    ] = {}
    partition_by: Annotated[
        PartitionConfig | None,
        Meta(description="The column of dates or times by whose ranges the table is partitioned."),
    ] = None


class PostgresSettings(Struct, frozen=True, kw_only=True):
    """The keys of a target with `engine: postgres`."""

    engine: Annotated[Literal["postgres"], Meta(description="The engine's name.")]
    url: Annotated[
        str,
        Meta(description="Where the database is: `postgresql://user:password@host:5432/database`.", min_length=1),
    ]
    schema: Annotated[
        str,
        Meta(description="The schema of blocks that lie right in `blocks/`, and of bare table names.", min_length=1),
    ] = "public"
    connect_timeout: Annotated[Duration, Meta(description="How long making a connection may take.")] = 10.0
    statement_timeout: Annotated[
        Duration | None, Meta(description="How long one statement may take; the server ends it then.")
    ] = None
    lock_timeout: Annotated[
        Duration | None, Meta(description="How long one statement of a block may wait for somebody else's lock.")
    ] = None
    publish_lock_timeout: Annotated[
        Duration,
        Meta(
            description="How long publishing waits for a lock before it lets readers pass and tries again, five times."
        ),
    ] = 0.5
    snapshot_wait: Annotated[
        Duration,
        Meta(description="How long publishing waits for transactions that have begun to read before; then it warns."),
    ] = 60.0
    settings: Annotated[
        dict[str, str | int | float | bool],
        Meta(description="Any other settings of the session, such as `work_mem`."),
    ] = {}
