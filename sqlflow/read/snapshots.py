"""Snapshots as they are read: what their settings must say, so that a history can be kept."""

from collections.abc import Iterator

from sqlflow.core.block import Query
from sqlflow.core.config import BlockConfig
from sqlflow.core.errors import Problem
from sqlflow.core.text import Place
from sqlflow.read.front_matter import SqlFile

SNAPSHOT_ALONE = ("updated_at", "check", "hard_deletes")
VALID_FROM = "valid_from"
HISTORY_COLUMNS = (VALID_FROM, "valid_to", "is_current")
"""What a snapshot has beside the columns of its query."""
ALL = "all"
"""What stands in `check` for all columns."""


def faults_of_snapshot(config: BlockConfig) -> Iterator[tuple[str, str, str]]:
    """Yield the key at fault, what is wrong, and what to do."""
    if not config.key:
        yield "materialize", "a snapshot needs a `key`", "add `key:` with the columns that tell rows apart"
    if config.updated_at and config.check:
        yield "check", "a snapshot goes by `updated_at` or by `check`, not by both", "take one of them away"
    if not config.updated_at and not config.check:
        hint = "add `updated_at:` with a column that tells when a row was changed, or `check:` with columns, or `check: all`"
        yield "materialize", "a snapshot needs `updated_at` or `check`", hint
    for key in ("strategy", "on_change"):
        if getattr(config, key) not in (None, "rebuild"):
            yield key, f"`{key}` needs `materialize: incremental`; this is `snapshot`", ""
    if config.on_schema_change == "sync":
        message = "a snapshot keeps the columns of its history: it takes no `on_schema_change: sync`"
        yield "on_schema_change", message, "`append` adds new ones"
    named = {"key": config.key, "check": config.check, "updated_at": (config.updated_at or "",)}
    for key, columns in named.items():
        own = [column for column in columns if column.lower() in HISTORY_COLUMNS]
        if own:
            hint = "give the query's column another name: `{0} as own_{0}`".format(own[0])
            yield key, f"`{key}` names `{own[0]}`, which is a column that the snapshot itself makes", hint


def refuse_partial(
    config: BlockConfig, query: Query, continuing: Query | None, file: SqlFile, problems: list[Problem]
) -> None:
    """Tell of a query that gives some of the rows alone, where rows that are not given are taken for deleted."""
    is_partial = continuing is not None and continuing.text.text != query.text.text
    if config.materialize != "snapshot" or config.hard_deletes == "ignore" or not is_partial:
        return
    place = file.source.place(max(file.source.text.find("incremental", file.body), file.body), len("incremental"))
    message = "a query that gives only new rows would have all others taken for deleted"
    problems.append(Problem(message, place or Place(file.source.path), "add `hard_deletes: ignore`, or give all rows"))
