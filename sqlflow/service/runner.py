"""The runs that this service has begun: their processes, their time limits, their ends."""

import json
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

from sqlflow.core.pipeline import Pipeline
from sqlflow.service import values
from sqlflow.service.history import History
from sqlflow.service.leases import Claim, End, finish
from sqlflow.service.recording import Recording
from sqlflow.service.running import GRACE_SECONDS, Running

LOCK_TIMEOUT = "24h"
"""How long a run waits for another one that holds its target: as long as it takes, since it can be cancelled."""
_LOOK_SECONDS = 0.1
STOPPED = End("lost", "the service was stopped", may_retry=True, is_interrupted=True)


def command(root: Path, claim: Claim, program: tuple[str, ...] = ()) -> list[str]:
    """Return the command of a run: what it takes of threads and pools is said, the rest is the pipeline's own."""
    run, share = claim.run, claim.share
    words = [*(program or (sys.executable, "-m", "sqlflow")), "build", "--pipeline", run.pipeline, "--output", "jsonl"]
    words += ["--project-dir", str(root), "--retries", "0"]  # each try is an attempt of its own here
    words += ["--lock-timeout", LOCK_TIMEOUT, "--no-wait-for"]  # what it waits for has come before it began
    if run.vars:
        words += ["--vars", json.dumps(run.vars)]
    if share.threads is not None:
        words += ["--threads", str(share.threads)]
    for name, places in share.pools.items():
        words += ["--pool", f"{name}={places}"]
    return words


@dataclass
class Runner:
    """The processes of this service's runs."""

    root: Path
    history: History
    wake: threading.Event
    running: dict[str, Running] = field(default_factory=dict)
    _timeouts: dict[str, float | None] = field(default_factory=dict)
    _ended: list[Running] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def begin(self, claim: Claim, pipeline: Pipeline, pipelines: Mapping[str, Pipeline]) -> None:
        """Begin the process of a claim; an attempt whose process cannot be begun has failed."""
        recording = Recording(self.history, claim.run.id, claim.run.attempt)
        try:
            process = Running(command(self.root, claim), self.root, recording, self._has_ended)
        except OSError as error:
            end = End("failed", f"its process cannot be begun: {error.strerror}", may_retry=True)
            self._finish(recording, end, pipelines)
            return
        self.running[claim.run.id] = process
        self._timeouts[claim.run.id] = pipeline.timeout

    def look_after(self, pipelines: Mapping[str, Pipeline]) -> None:
        """Tell the ends of those that have ended, and end those whose time is over or that people have cancelled."""
        with self._lock:
            ended, self._ended = self._ended, []
        for number, process in enumerate(ended):
            try:
                self._finish(process.recording, process.end(), pipelines)
            except BaseException:
                with self._lock:
                    self._ended[:0] = ended[number:]
                raise
            self.running.pop(process.recording.run, None)
            self._timeouts.pop(process.recording.run, None)
        if self.running:
            self._cancel()
            for id, process in self.running.items():
                self._look_at_time(process, self._timeouts[id])
                process.look_after()

    def stop(self, pipelines: Mapping[str, Pipeline], at_once: Callable[[], bool]) -> None:
        """End all processes, those that take their time when it is `at_once` or late, and let their runs wait for the next service."""
        for process in self.running.values():
            process.stop(STOPPED)
        until, left = monotonic() + GRACE_SECONDS, list(self.running.values())
        while left and monotonic() < until and not at_once():
            left = [process for process in left if not process.join(_LOOK_SECONDS)]
        for process in left:
            process.kill()
            process.join(GRACE_SECONDS)
        self.look_after(pipelines)

    def kill(self) -> None:
        """End all processes at once and tell nothing: their runs are somebody else's."""
        for process in self.running.values():
            process.kill()
        for process in self.running.values():
            process.join(GRACE_SECONDS)
        self.running.clear()
        with self._lock:
            self._ended.clear()

    def _has_ended(self, process: Running) -> None:
        with self._lock:
            self._ended.append(process)
        self.wake.set()

    def _finish(self, recording: Recording, end: End, pipelines: Mapping[str, Pipeline]) -> None:
        with self.history.database.transaction(deciding=True) as transaction:
            finish(transaction, recording.run, recording.attempt, end, pipelines, values.now())

    def _cancel(self) -> None:
        listed = ", ".join("?" * len(self.running))
        rows = self.history.database.rows(
            f"select id, cancel_by from runs where cancel_at is not null and id in ({listed})", *self.running
        )
        for id, by in rows:
            self.running[id].stop(End("cancelled", f"cancelled by {by}"))

    def _look_at_time(self, process: Running, timeout: float | None) -> None:
        """End what does not keep its own time limit: the build itself ends in time, and says what it was at."""
        if timeout is not None and monotonic() - process.began_at > timeout + GRACE_SECONDS:
            process.stop(End("failed", f"took longer than its timeout of {timeout:g} s", may_retry=True))
