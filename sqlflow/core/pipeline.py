"""Pipelines: which blocks are built together, when, and with what resources."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import time
from typing import Any, Literal

from msgspec import Struct

from sqlflow.core.environment import PROD
from sqlflow.core.flow import ONCE, Retries, Wait, written
from sqlflow.core.node import Node
from sqlflow.core.text import Place

Missed = Literal["all", "latest", "none"]
Overlap = Literal["queue", "skip", "cancel"]


class After(Struct, frozen=True):
    """Fires when each of `pipelines` has ended well, the earliest of them at most `within` seconds ago."""

    pipelines: tuple[str, ...]
    within: float = 86400.0


class Files(Struct, frozen=True):
    """Fires when files that match `path`, a glob below the project, came or changed and then lay still for `settle` seconds."""

    path: str
    settle: float = 10.0


class Query(Struct, frozen=True):
    """Fires when the rows of `sql`, asked in the pipeline's target each `every` seconds, are others than the last time."""

    sql: str
    when: Literal["changed"] = "changed"
    every: float = 60.0


@dataclass(frozen=True, slots=True)
class Webhook:
    """Fires when a request signed with `secret` comes; it may set the `vars` that are named.

    `secret` is None where the environment variable that should give it is not set: then every request is refused.
    """

    secret: str | None = field(repr=False)
    vars: tuple[str, ...] = ()


Trigger = After | Files | Query | Webhook


class Notice(Struct, frozen=True):
    """Who is told: a target of the project file's `notifications`, by name."""

    notify: str


@dataclass(frozen=True, slots=True)
class Pipeline:
    """One file of `pipelines/`. `select` and `exclude` are words of the selection grammar; nothing selected is everything.

    Times are seconds, `memory_limit` is bytes, `schedule` is a cron expression of five fields in the time zone
    `timezone`. None is what the command or the project file says.
    """

    name: str
    node: Node = field(repr=False, compare=False)
    """The mapping of its file: each value knows its place."""
    description: str = ""
    select: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    vars: Mapping[str, Any] = field(default_factory=dict)
    target: str | None = None
    environment: str = PROD.name
    schedule: str | None = None
    every: float | None = None
    timezone: str = "UTC"
    triggers: tuple[Trigger, ...] = ()
    waits: tuple[Wait, ...] = ()
    missed: Missed = "latest"
    overlap: Overlap = "skip"
    retries: Retries = ONCE
    timeout: float | None = None
    threads: int | None = None
    pools: Mapping[str, int] = field(default_factory=dict)
    memory_limit: int | None = None
    on_failure: tuple[Notice, ...] = ()
    on_success: tuple[Notice, ...] = ()
    on_warn: tuple[Notice, ...] = ()
    on_recovery: tuple[Notice, ...] = ()
    on_late: tuple[Notice, ...] = ()
    deadline: time | None = None
    """The time of day, in `timezone`, by which a run of the day must have ended well."""
    fresh_within: float | None = None
    """How old the latest good run may be."""

    @property
    def path(self) -> str:
        """Its file, relative to the project."""
        return self.node.source.path

    @property
    def when(self) -> str:
        """What starts it, in a few words: `0 5 * * * UTC, after ingest`."""
        clock = (
            [f"{self.schedule} {self.timezone}"]
            if self.schedule
            else [f"every {written(self.every)}"]
            if self.every
            else []
        )
        return ", ".join(clock + [_told(trigger) for trigger in self.triggers]) or "by hand"

    @property
    def has_one_run(self) -> bool:
        """Tell whether nobody may ask for a run while another one has not ended: ticks that come then do not queue up either."""
        return self.overlap != "queue"

    def place(self, key: str, index: int | None = None) -> Place:
        """Return where a key's value is written, or one item of its list; the file's begin if it is not."""
        value = self.node.get(key)
        if value is None:
            return Place(self.path)
        return value.items[index].place if index is not None and index < len(value.items) else value.place


def _told(trigger: Trigger) -> str:
    match trigger:
        case After():
            return "after " + " and ".join(trigger.pipelines)
        case Files():
            return f"files {trigger.path}"
        case Query():
            return "a query"
        case Webhook():
            return "a webhook"
