"""Tells people when the data of sources and blocks is too old, and when it is fresh again.

`sqlflow freshness` is asked every few minutes, as long as a pipeline says whom to tell. What is too old is in the history, so that
it is told once, also by two services, and by one that was not there when it became too old.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlflow.core.errors import BusyError
from sqlflow.core.pipeline import Pipeline
from sqlflow.service import values
from sqlflow.service.history import History
from sqlflow.service.questions import Question
from sqlflow.service.rows import change

LOOK_SECONDS = 300.0
BUSY_SECONDS = 30.0
"""How soon it is asked again where somebody builds into the file at this moment."""
_OURS = ("", "freshness")
"""Where the history keeps what is too old: among the states of triggers, of no pipeline."""
_LOST = ("unknown", "source")
_TOLD = (0, 1)
"""The exit codes of an answer."""


@dataclass
class FreshnessWatch:
    """The freshness of a project's data, as often as it is looked at. `seconds` are of a clock that only goes ahead."""

    root: Path
    history: History
    _question: Question | None = None
    _next: float = 0.0

    def look(self, pipelines: Mapping[str, Pipeline], now: datetime, seconds: float) -> list[str]:
        """Ask when it is time, and put into the history what has changed; return that in words."""
        if self._question is None:
            if seconds >= self._next and any(one.on_late or one.on_recovery for one in pipelines.values()):
                words = ("-m", "sqlflow", "freshness", "--output", "json", "--project-dir", str(self.root))
                self._question = Question(words, seconds)
            return []
        answer = self._question.answer(seconds)
        if answer is None:
            return []
        self._question = None
        is_told = answer.exit_code in _TOLD
        self._next = seconds + (BUSY_SECONDS if answer.exit_code == BusyError.exit_code else LOOK_SECONDS)
        lines = answer.text.splitlines() if is_told else []
        return recorded(self.history, [json.loads(line) for line in lines], now) if is_told else []

    def close(self) -> None:
        if self._question is not None:
            self._question.close()


def recorded(history: History, found: Iterable[Mapping[str, Any]], now: datetime) -> list[str]:
    """Put into the history what is too old now and was not before, and the other way round; return that in words.

    `found` is all that says `fresh_within`, as `sqlflow freshness` tells it. A block of which nothing is known, as before its first
    build, is as it was.
    """
    every = {f"{one['target']}:{one['name']}": one for one in found}
    fresh = {key for key, one in every.items() if one["status"] == "fresh"}
    bad = {key for key, one in every.items() if one["status"] == "stale" or (one["status"], one["kind"]) == _LOST}
    at = values.text(now)
    with history.database.transaction(deciding=True) as transaction:
        rows = transaction.rows("select item from trigger_states where pipeline = ? and trigger_name = ?", *_OURS)
        known = {item for (item,) in rows}
        came, again = sorted(bad - known), sorted(known & fresh)
        went = again + sorted(known - every.keys())  # what says `fresh_within` no more is forgotten without a word
        for kind, keys in (("data_stale", came), ("data_fresh", again)):
            for key in keys:
                change(transaction, kind, "", f"{key} {at}", "", _body(every[key]), now)
        transaction.many("insert into trigger_states values (?, ?, ?, ?)", [(*_OURS, key, at) for key in came])
        transaction.many(
            "delete from trigger_states where pipeline = ? and trigger_name = ? and item = ?",
            [(*_OURS, key) for key in went],
        )
    return [_words(every[key]) for key in (*came, *again)]


def _body(found: Mapping[str, Any]) -> dict[str, Any]:
    return {key: found[key] for key in ("name", "kind", "newest", "within", "reason", "pipelines")}


def _words(found: Mapping[str, Any]) -> str:
    word = {"fresh": "fresh again", "stale": "not fresh"}.get(found["status"])
    return f"{found['name']} is {word or 'not known to be fresh: ' + found['reason']}"
