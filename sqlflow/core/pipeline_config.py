"""What a user may say in a file of `pipelines/`, as frozen values.

The descriptions are the documentation of the keys: the JSON Schema and the reference page are made from them.
"""

from typing import Annotated, Any, ClassVar, Literal

from msgspec import Meta, Struct

from sqlflow.core.column_config import Raw, Text
from sqlflow.core.config import Duration, RetriesConfig, Size, WaitConfig


class FilesConfig(Struct, frozen=True, kw_only=True):
    """Files that start a pipeline. A plain text is `path`."""

    SHORT: ClassVar[str] = "path"
    path: Annotated[Text, Meta(description="A file or a glob below the project.")]
    settle: Annotated[
        Duration, Meta(description="How long the files must lie still, so that none is read while it is written.")
    ] = 10.0


class QueryConfig(Struct, frozen=True, kw_only=True):
    """A query that starts a pipeline. A plain text is `sql`."""

    SHORT: ClassVar[str] = "sql"
    sql: Annotated[Text, Meta(description="A SELECT, asked in the pipeline's target.")]
    when: Annotated[Literal["changed"], Meta(description="`changed`: when it gives other rows than the last time.")] = (
        "changed"
    )
    every: Annotated[Duration, Meta(description="How often it is asked.")] = 60.0


class WebhookConfig(Struct, frozen=True, kw_only=True):
    """A signed request that starts a pipeline. A plain text is `secret`."""

    SHORT: ClassVar[str] = "secret"
    secret: Annotated[Raw, Meta(description="What requests are signed with: `\"{{ env('HOOK_SECRET') }}\"`.")]
    vars: Annotated[
        tuple[Text, ...], Meta(description="The vars that a request may set, of those that the pipeline declares.")
    ] = ()


class TriggerConfig(Struct, frozen=True, kw_only=True):
    """What starts a pipeline beside its schedule: one of `after`, `files`, `query` and `webhook`."""

    after: Annotated[tuple[Text, ...], Meta(description="Other pipelines, all of which have ended well.")] = ()
    within: Annotated[
        Duration | None,
        Meta(description="With `after`: how long ago the first of them may have ended. Without it, 24 hours."),
    ] = None
    files: Annotated[FilesConfig | None, Meta(description="Files that came or changed.")] = None
    query: Annotated[QueryConfig | None, Meta(description="A query whose rows have changed.")] = None
    webhook: Annotated[WebhookConfig | None, Meta(description="A signed request to the service.")] = None


class NoticeConfig(Struct, frozen=True, kw_only=True):
    """Who is told. A plain text is `notify`."""

    SHORT: ClassVar[str] = "notify"
    notify: Annotated[Text, Meta(description="The name of one of the project file's `notifications`.")]


class PipelineConfig(Struct, frozen=True, kw_only=True):
    """A file of `pipelines/`."""

    name: Annotated[Text | None, Meta(description="The pipeline's name, instead of the file's name.")] = None
    description: Annotated[str, Meta(description="What the pipeline is for, in a sentence.")] = ""
    select: Annotated[
        tuple[Text, ...], Meta(description="The blocks, in the selection grammar; without it, all of the project.")
    ] = ()
    exclude: Annotated[tuple[Text, ...], Meta(description="Blocks to leave out, in the selection grammar.")] = ()
    vars: Annotated[dict[str, Any], Meta(description="Vars that have another value in this pipeline.")] = {}
    target: Annotated[Text | None, Meta(description="The target, instead of the project's.")] = None
    env: Annotated[Text, Meta(description="The environment that is published.")] = "prod"
    schedule: Annotated[
        Text | None, Meta(description="When it runs, as a cron expression: minute, hour, day, month, weekday.")
    ] = None
    every: Annotated[
        Annotated[Duration, Meta(ge=1)] | None, Meta(description="How often it runs, instead of `schedule`.")
    ] = None
    timezone: Annotated[
        Text, Meta(description="The time zone of `schedule` and `deadline`, such as `Europe/Berlin`.")
    ] = "UTC"
    wait_for: Annotated[
        tuple[WaitConfig, ...], Meta(description="What must come before a run begins: a file, a query, a time.")
    ] = ()
    triggers: Annotated[tuple[TriggerConfig, ...], Meta(description="What starts it beside its schedule.")] = ()
    missed: Annotated[
        Literal["all", "latest", "none"],
        Meta(description="Which of the ticks run that came while the service was down."),
    ] = "latest"
    overlap: Annotated[
        Literal["queue", "skip", "cancel"],
        Meta(
            description="What becomes of a tick while a run is still on: it waits, is left out, or the run is cancelled."
        ),
    ] = "skip"
    retries: Annotated[RetriesConfig | None, Meta(description="How often a run that failed is tried again.")] = None
    timeout: Annotated[Duration | None, Meta(description="How long a run may take.")] = None
    threads: Annotated[
        Annotated[int, Meta(ge=1, le=256)] | None, Meta(description="How many blocks are built at once.")
    ] = None
    pools: Annotated[
        dict[str, Annotated[int, Meta(ge=1)]], Meta(description="Sizes of pools that are other ones in this pipeline.")
    ] = {}
    memory_limit: Annotated[
        Size | None, Meta(description="How much memory the engine may take, and each function block's process.")
    ] = None
    on_failure: Annotated[tuple[NoticeConfig, ...], Meta(description="Who is told when a run has failed.")] = ()
    on_success: Annotated[tuple[NoticeConfig, ...], Meta(description="Who is told when a run has ended well.")] = ()
    on_warn: Annotated[
        tuple[NoticeConfig, ...], Meta(description="Who is told when a run has ended well but with warnings.")
    ] = ()
    on_recovery: Annotated[
        tuple[NoticeConfig, ...],
        Meta(description="Who is told when a run has ended well after one that failed or was late."),
    ] = ()
    on_late: Annotated[
        tuple[NoticeConfig, ...],
        Meta(description="Who is told when `deadline` or `fresh_within` is missed, also that of its data."),
    ] = ()
    deadline: Annotated[
        Text | None, Meta(description="The time of day by which a run must have ended well, such as `07:00`.")
    ] = None
    fresh_within: Annotated[
        Duration | None, Meta(description="How old the latest run that ended well may be, such as `6h`.")
    ] = None
