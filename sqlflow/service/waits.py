"""What must come before runs begin, by `wait_for` of their pipelines: the service looks for it, so that who waits takes no place.

One thing is looked for after the other, and what has come has come. Since when a run waits is in the history: with the next
service, its time goes on.
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from sqlflow.core.errors import BusyError
from sqlflow.core.flow import Wait
from sqlflow.core.pipeline import Pipeline
from sqlflow.run.waits import late, seconds_until
from sqlflow.service import values
from sqlflow.service.history import History
from sqlflow.service.leases import give_up
from sqlflow.service.questions import Question


@dataclass
class _Waiting:
    """A run that waits, and how many of its `waits` have come. `look_at` is on a clock that only goes ahead."""

    pipeline: str
    waits: tuple[Wait, ...]
    come: int = 0
    look_at: float = 0.0
    question: Question | None = None
    fault: str = ""

    @property
    def next(self) -> Wait | None:
        return self.waits[self.come] if self.come < len(self.waits) else None

    def look(self, root: Path, since: datetime, now: datetime, seconds: float) -> None:
        """Look for what is next, and for what follows it, as far as it is there."""
        while (wait := self.next) and not self.fault and self._has_come(wait, root, since, now, seconds):
            self.come, self.look_at = self.come + 1, 0.0

    def close(self) -> None:
        if self.question is not None:
            self.question.close()

    def _has_come(self, wait: Wait, root: Path, since: datetime, now: datetime, seconds: float) -> bool:
        if wait.kind == "time":
            return seconds_until(wait, now, since) <= 0
        if wait.kind == "query":
            return self._is_true(wait, root, seconds)
        if seconds < self.look_at:
            return False
        self.look_at = seconds + wait.every
        return any(True for _ in root.glob(wait.path))

    def _is_true(self, wait: Wait, root: Path, seconds: float) -> bool:
        if self.question is None:
            if seconds >= self.look_at:
                self.question = Question.of_pipeline(root, self.pipeline, "wait", self.come, seconds)
            return False
        answer = self.question.answer(seconds)
        if answer is None:
            return False
        self.look_at, self.question = self.question.began + wait.every, None
        if answer.exit_code not in (0, BusyError.exit_code):  # busy: it is asked again
            self.fault = answer.error.removeprefix("error: ").split("\n")[0] or "its query could not be asked"
        return answer.text == "True"


@dataclass
class Waits:
    """The runs that wait for something to come."""

    root: Path
    history: History
    _runs: dict[str, _Waiting] = field(default_factory=dict)

    def look(self, pipelines: Mapping[str, Pipeline], now: datetime) -> None:
        """Look for what the first run of each pipeline waits for, and give up what has waited for too long."""
        first = dict(self._first(pipelines, now)) if self._runs or any(one.waits for one in pipelines.values()) else {}
        for id in self._runs.keys() - first.keys():
            self._runs.pop(id).close()
        for id, (pipeline, since) in first.items():
            run = self._waiting(id, pipeline)
            run.look(self.root, since, now, time.monotonic())
            wait = run.next
            if wait is not None and (run.fault or now - since > timedelta(seconds=wait.timeout)):
                with self.history.database.transaction(deciding=True) as transaction:
                    give_up(transaction, id, run.fault or late(wait), pipeline.retries, now)
                self._runs.pop(id).close()

    def held(self, pipeline: Pipeline, id: str) -> str:
        """Return why a run does not begin although it would be its turn; empty if all has come."""
        run = self._runs.get(id)
        wait = run.next if run is not None else next(iter(pipeline.waits), None)
        return f"waits for {wait.what}" if wait is not None else ""

    def close(self) -> None:
        """Ask no more."""
        for run in self._runs.values():
            run.close()
        self._runs.clear()

    def _waiting(self, id: str, pipeline: Pipeline) -> _Waiting:
        """Return what is known of a run that waits; a file that says something else now begins it anew."""
        known = self._runs.get(id)
        if known is None or known.waits != pipeline.waits:
            if known is not None:
                known.close()
            known = self._runs[id] = _Waiting(pipeline.name, pipeline.waits)
        return known

    def _first(
        self, pipelines: Mapping[str, Pipeline], now: datetime
    ) -> Iterator[tuple[str, tuple[Pipeline, datetime]]]:
        """Yield the first run of each pipeline that waits for something and has none that is on, and since when it waits."""
        rows = self.history.database.rows(
            "select id, pipeline, status, not_before, waits_since from runs where finished_at is null order by id"
        )
        busy = {name for _, name, status, *_ in rows if status == "running"}
        for id, name, _, not_before, since in rows:
            pipeline = pipelines.get(name)
            if name in busy or pipeline is None or not pipeline.waits:
                continue
            busy.add(name)
            begin = values.time(not_before)
            if begin is None or begin <= now:
                yield id, (pipeline, values.time(since) or self._begun(id, now))

    def _begun(self, id: str, now: datetime) -> datetime:
        with self.history.database.transaction() as transaction:
            transaction.execute("update runs set waits_since = ? where id = ?", values.text(now), id)
        return now
