"""Knows how old the data of sources and blocks is, and tells people when it is too old, and when it is fresh again.

It is asked every few minutes, in each target and environment where a pipeline builds. What is too old is in the history, so that
it is told once, also by two services, and by one that was not there when it became too old.
"""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlflow.core.pipeline import Pipeline
from sqlflow.service import values
from sqlflow.service.history import History
from sqlflow.service.nouns import DataAge, DataAges
from sqlflow.service.questions import Question
from sqlflow.service.rows import change

LOOK_SECONDS = 300.0
BUSY_SECONDS = 30.0
"""How soon it is asked again where somebody builds into the file at this moment."""
_OURS = ("", "freshness")
"""Where the history keeps what is too old: among the states of triggers, of no pipeline."""


@dataclass
class FreshnessWatch:
    """The freshness of a project's data, as often as it is looked at. `seconds` are of a clock that only goes ahead."""

    root: Path
    history: History
    ages: DataAges = field(default_factory=DataAges)
    _question: Question | None = None
    _next: float = 0.0
    _told: frozenset[str] = frozenset()

    def begin(self) -> None:
        """Ask anew: the files are others, and with them perhaps what is asked, and where."""
        self.close()
        self._next = 0.0

    def look(self, pipelines: Mapping[str, Pipeline], now: datetime, seconds: float) -> list[str]:
        """Ask when it is time, and put into the history what has changed; return that in words, and what could not be asked."""
        if self._question is None:
            if not pipelines:
                self.ages = DataAges()
            elif seconds >= self._next:
                self._question = Question(("-m", "sqlflow.service.dating", str(self.root)), seconds)
            return []
        answer = self._question.answer(seconds)
        if answer is None:
            return []
        self._question, self._next = None, seconds + LOOK_SECONDS
        if answer.exit_code:
            return self._unasked([f"how old the data is: {answer.error.splitlines()[0]}"])
        said = json.loads(answer.text)
        failed = said["failed"]
        if any(one["is_busy"] for one in failed):
            self._next = seconds + BUSY_SECONDS
        found = [_age(one) for one in said["found"]]
        asked = {one.key for one in found}
        # What lies in a place that could not be asked is as it was.
        left = [one for one in self.ages.found if failed and one.key not in asked]
        self.ages = DataAges(now, tuple(sorted((*found, *left), key=lambda one: one.key)))
        unasked = [f"sqlflow freshness{one['flags']}: {one['error']}" for one in failed if not one["is_busy"]]
        return recorded(self.history, found, now, is_whole=not failed) + self._unasked(unasked)

    def close(self) -> None:
        if self._question is not None:
            self._question.close()
            self._question = None

    def _unasked(self, lines: Collection[str]) -> list[str]:
        """Return what has not been told since it could be asked the last time."""
        before, self._told = self._told, frozenset(lines)
        return [line for line in lines if line not in before]


def _age(told: Mapping[str, Any]) -> DataAge:
    newest = datetime.fromisoformat(told["newest"]) if told["newest"] else None
    return DataAge(
        told["name"], told["kind"], told["target"], told["environment"], told["within"], newest, told["reason"],
        tuple(told["pipelines"]), told["flags"],
    )  # fmt: skip


def recorded(history: History, found: Iterable[DataAge], now: datetime, is_whole: bool = True) -> list[str]:
    """Put into the history what is too old now and was not before, and the other way round; return that in words.

    `found` is what says `fresh_within`, all of it if it `is_whole`. A block of which nothing is known, as before its first build, is
    as it was.
    """
    every = {one.key: one for one in found}
    status = {key: one.status(now) for key, one in every.items()}
    fresh = {key for key in every if status[key] == "fresh"}
    bad = {
        key for key, one in every.items() if status[key] == "stale" or (status[key], one.kind) == ("unknown", "source")
    }
    at = values.text(now)
    with history.database.transaction(deciding=True) as transaction:
        rows = transaction.rows("select item from trigger_states where pipeline = ? and trigger_name = ?", *_OURS)
        known = {item for (item,) in rows}
        came, again = sorted(bad - known), sorted(known & fresh)
        # What says `fresh_within` no more is forgotten without a word.
        went = again + (sorted(known - every.keys()) if is_whole else [])
        for kind, keys in (("data_stale", came), ("data_fresh", again)):
            for key in keys:
                change(transaction, kind, "", f"{key} {at}", "", _body(every[key]), now)
        transaction.many("insert into trigger_states values (?, ?, ?, ?)", [(*_OURS, key, at) for key in came])
        transaction.many(
            "delete from trigger_states where pipeline = ? and trigger_name = ? and item = ?",
            [(*_OURS, key) for key in went],
        )
    return [_words(every[key], now) for key in (*came, *again)]


def _body(found: DataAge) -> dict[str, Any]:
    return {
        "name": found.name, "kind": found.kind, "environment": found.environment, "flags": found.flags,
        "newest": str(found.newest) if found.newest else None, "within": found.within, "reason": found.reason,
        "pipelines": list(found.pipelines),
    }  # fmt: skip


def _words(found: DataAge, now: datetime) -> str:
    word = {"fresh": "fresh again", "stale": "not fresh"}.get(found.status(now))
    return f"{found.shown} is {word or 'not known to be fresh: ' + found.reason}"
