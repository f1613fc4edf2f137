"""What starts a pipeline beside its schedule: other pipelines, files, and a query whose result has changed.

The history remembers what each trigger has seen last, so that nothing is lost while no service is there, and nothing is
heard twice when there are two. What a trigger meets when it is new starts nothing. Where `overlap` is `skip` and a run is on,
a trigger waits for its end and then fires once: what has come meanwhile is not lost.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from sqlflow.core.pipeline import After, Files, Pipeline
from sqlflow.service import values
from sqlflow.service.database import Transaction
from sqlflow.service.history import History
from sqlflow.service.nouns import Cause, Tick
from sqlflow.service.states import GOOD
from sqlflow.service.ticks import AskedRun, fired

FILES_AT_MOST = 100_000
_KNOWN = ""
"""The item that says that a trigger has been looked at before."""
_GOOD = ", ".join(f"'{status}'" for status in GOOD)
State = Mapping[str, str]


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def after_name(trigger: After) -> str:
    return "after:" + ",".join(trigger.pipelines)


def files_name(trigger: Files) -> str:
    return f"files:{trigger.path}"


def query_name(sql: str) -> str:
    return f"query:{digest(sql)}"


def seen(history: History | Transaction, pipeline: str, trigger: str) -> dict[str, str] | None:
    """Return what a trigger has seen last: values by item; None if it is new."""
    rows = (history.database.rows if isinstance(history, History) else history.rows)(
        "select item, value from trigger_states where pipeline = ? and trigger_name = ?", pipeline, trigger
    )
    found = dict(rows)
    return found if found.pop(_KNOWN, None) is not None else None


def noticed(
    history: History, pipeline: Pipeline, trigger: str, cause: Cause, state: State, now: datetime, *, what: str,
    gone: tuple[str, ...] = (),
) -> Tick | None:  # fmt: skip
    """Let a trigger fire if what it has met (`state`, values by item) is news, and return the record of it.

    `what` says it for people. Items that are `gone` are forgotten. Nothing happens yet where a run is still on and
    `overlap` is `skip`.
    """
    with history.database.transaction(deciding=True) as transaction:
        known = seen(transaction, pipeline.name, trigger)
        news = {item: value for item, value in state.items() if known is not None and known.get(item) != value}
        tick = None
        if news:
            if _must_wait(transaction, pipeline):
                return None
            key = f"{trigger}:{values.text(now)}:{digest(repr(sorted(news.items())))}"
            tick = fired(transaction, pipeline, AskedRun(cause, key, now, what), now)
        _remember(transaction, pipeline.name, trigger, news if known is not None else {**state, _KNOWN: ""}, gone)
        return tick


def _must_wait(transaction: Transaction, pipeline: Pipeline) -> bool:
    """Tell whether a run of the pipeline is on which the next one must wait for."""
    if pipeline.overlap != "skip":
        return False
    return bool(
        transaction.rows("select 1 from runs where pipeline = ? and finished_at is null limit 1", pipeline.name)
    )


def _remember(transaction: Transaction, pipeline: str, trigger: str, state: State, gone: tuple[str, ...] = ()) -> None:
    transaction.many(
        "insert into trigger_states (pipeline, trigger_name, item, value) values (?, ?, ?, ?)"
        " on conflict (pipeline, trigger_name, item) do update set value = excluded.value",
        [(pipeline, trigger, item, value) for item, value in state.items()],
    )
    transaction.many(
        "delete from trigger_states where pipeline = ? and trigger_name = ? and item = ?",
        [(pipeline, trigger, item) for item in gone],
    )


def ended_well(history: History, pipeline: Pipeline, trigger: After, now: datetime) -> Tick | None:
    """Fire when each of the pipelines that are waited for has ended well since the last time, and not too long ago."""
    name = after_name(trigger)
    latest = {other: _latest_good(history, other) for other in trigger.pipelines}
    known = seen(history, pipeline.name, name)
    if known is None:
        there = {other: id for other, (id, _) in latest.items()}
        return noticed(history, pipeline, name, "after", there, now, what="")
    oldest = now - timedelta(seconds=trigger.within)
    for other, (id, finished) in latest.items():
        if finished is None or id == known.get(other) or finished < oldest:
            return None
    what = "after " + ", ".join(f"{other} ({id})" for other, (id, _) in latest.items())
    return noticed(history, pipeline, name, "after", {other: id for other, (id, _) in latest.items()}, now, what=what)


def _latest_good(history: History, pipeline: str) -> tuple[str, datetime | None]:
    rows = history.database.rows(
        f"select id, finished_at from runs where pipeline = ? and status in ({_GOOD}) order by finished_at desc limit 1",
        pipeline,
    )
    return (rows[0][0], values.at(rows[0][1])) if rows else ("", None)


@dataclass
class FileWatch:
    """The files of one trigger. What is new must lie still for `settle` seconds of this service's own clock."""

    root: Path
    pipeline: str
    trigger: Files
    _moving: dict[str, tuple[str, float]] = field(default_factory=dict)

    @property
    def is_moving(self) -> bool:
        """Whether a file has come or changed and has not been told."""
        return bool(self._moving)

    def look(self, history: History, pipeline: Pipeline, now: datetime, seconds: float) -> Tick | None:
        """Look at the files at a time, `seconds` on a clock that only goes ahead, and fire for those that lie still."""
        there = dict(found_files(self.root, self.trigger.path))
        name = files_name(self.trigger)
        known = seen(history, self.pipeline, name)
        if known is None:
            return noticed(history, pipeline, name, "files", there, now, what="")
        gone = tuple(sorted(known.keys() - there.keys()))
        moving = {path: state for path, state in there.items() if known.get(path) != state}
        self._moving = {
            path: before if (before := self._moving.get(path)) and before[0] == state else (state, seconds)
            for path, state in moving.items()
        }
        still = {path: state for path, (state, since) in self._moving.items() if seconds - since >= self.trigger.settle}
        if not still and not gone:
            return None
        listed = sorted(still)
        what = ", ".join(listed[:3]) + (f" and {len(listed) - 3} more" if len(listed) > 3 else "")
        tick = noticed(history, pipeline, name, "files", still, now, what=what, gone=gone)
        if tick is not None:
            self._moving = {path: state for path, state in self._moving.items() if path not in still}
        return tick


def found_files(root: Path, pattern: str) -> Iterator[tuple[str, str]]:
    """Yield the files that match a glob below a folder, each with a text that is another one when the file is."""
    for number, path in enumerate(root.glob(pattern)):
        if number >= FILES_AT_MOST:
            return
        try:
            stat = path.stat()
        except OSError:
            continue
        if path.is_file() and path.resolve().is_relative_to(root.resolve()):
            yield path.relative_to(root).as_posix(), f"{stat.st_size}:{stat.st_mtime_ns}"
