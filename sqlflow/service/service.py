"""The loop of the service: what is due becomes runs, runs become processes, and what they tell goes into the history.

Each round does what there is to do and waits for the next second, or for whoever wakes it. A history that cannot be reached
ends nothing: runs go on, and the next round tries again. Nothing is kept in memory that the history does not know.
"""

import signal
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from types import FrameType
from typing import Any

from sqlflow.core.errors import Problem, SqlflowError, UsageError
from sqlflow.core.pipeline import Pipeline
from sqlflow.core.words import count
from sqlflow.read.notifications import Notification
from sqlflow.service import facts, values
from sqlflow.service.catalog import Loaded, fingerprint, loaded
from sqlflow.service.fits import FitWatch
from sqlflow.service.freshness import FreshnessWatch
from sqlflow.service.history import History
from sqlflow.service.leases import BEAT_SECONDS, Membership
from sqlflow.service.nouns import DataAges, Tick
from sqlflow.service.runner import Runner
from sqlflow.service.schedule import next_time
from sqlflow.service.ticks import AskedRun, decide, forget_others, triggered
from sqlflow.service.trimming import BATCH, trim
from sqlflow.service.waits import Waits
from sqlflow.service.watches import Watches

ROUND_SECONDS = 1.0
_FILES_SECONDS = 60.0
_FACTS_SECONDS = 30.0
_TRIM_SECONDS = 3600.0
Tell = Callable[[str], None]


def _silent(message: str) -> None:
    """Tell nobody."""


@dataclass
class Service:
    """One service of a project. `tell` hears what it does, line by line."""

    root: Path
    history: History
    tell: Tell = _silent
    clock: Callable[[], datetime] = values.now
    wake: threading.Event = field(default_factory=threading.Event)
    _loaded: Loaded = field(default_factory=Loaded)
    _files: Any = None
    _next: dict[str, datetime | None] = field(default_factory=dict)
    _stopping: int = 0
    _at: dict[str, float] = field(default_factory=dict)
    _told: str = ""

    def __post_init__(self) -> None:
        self.member = Membership(self.history, clock=self.clock)
        self.runner = Runner(self.root, self.history, self.wake)
        self.watches = Watches(self.root, self.history)
        self.waits = Waits(self.root, self.history)
        self.freshness = FreshnessWatch(self.root, self.history)
        self.fits = FitWatch(self.root)
        self._is_ours = True

    # What others may ask, from any thread

    def pipelines(self) -> Mapping[str, Pipeline]:
        """Return the pipelines, each as its file was last good."""
        return self._loaded.pipelines

    def faults(self) -> tuple[Problem, ...]:
        """Return what is wrong with the files now, and what keeps pipelines from being built."""
        return tuple(dict.fromkeys((*self._loaded.faults, *self.fits.problems)))

    def ages(self) -> DataAges:
        """Return how old the data was when it was last asked, in the targets and environments where pipelines build."""
        return self.freshness.ages

    def notifications(self) -> Mapping[str, Notification]:
        """Return where people are told of runs, by name."""
        return self._loaded.notifications

    def next_ticks(self) -> dict[str, datetime]:
        """Return when the schedule of each pipeline that has one comes next, also where it is paused."""
        return {name: at for name, at in self._next.items() if at is not None}

    def triggered(self, pipeline: str, asked: AskedRun) -> Tick | None:
        """Let a trigger from outside fire, and return its record; None if its key has one. Raise UsageError for no pipeline."""
        known = self._loaded.pipelines.get(pipeline)
        if known is None:
            raise UsageError(f"there is no pipeline `{pipeline}`")
        tick = triggered(self.history, known, asked, self.clock())
        self.wake.set()
        return tick

    def stop(self) -> None:
        """Ask the service to end; who asks twice ends the runs at once."""
        self._stopping += 1
        self.wake.set()

    def _hear(self, number: int, frame: FrameType | None) -> None:
        """Hear a signal. It may come while this thread holds the lock of `wake`: the next round finds it."""
        self._stopping += 1

    # The loop

    def run(self) -> None:
        """Serve until somebody asks for the end. The runs that are on are ended, and go on with the next service."""
        for number in (signal.SIGINT, signal.SIGTERM):
            if threading.current_thread() is threading.main_thread():
                signal.signal(number, self._hear)
        self.member.join()
        beating = threading.Thread(target=self._beat, name="sqlflow-beat", daemon=True)
        beating.start()
        try:
            while not self._stopping:
                self.guarded_round()
                self.wake.wait(ROUND_SECONDS)
                self.wake.clear()
        finally:
            self._end()

    def guarded_round(self) -> None:
        """Do one round, and tell once what keeps it from being done."""
        try:
            self.round()
            self._told = ""
        except SqlflowError as error:
            if str(error) != self._told:
                self.tell(f"error: {error}")
            self._told = str(error)

    def round(self) -> None:
        """Do what there is to do now."""
        if not self._is_ours:
            self._rejoin()
        changed = self.watches.changed.is_set()
        self.watches.changed.clear()
        if self._files is None or changed or self._is_time("files", _FILES_SECONDS):
            self._load()
        now = self.clock()
        self._decide(now)
        for tick in self.watches.look(self.pipelines(), now, changed):
            self._tell_tick(tick)
        self.runner.look_after(self.pipelines())
        if self._is_time("members", BEAT_SECONDS):
            self._take_over()
        self._begin()
        for problem in self.fits.look(time.monotonic()):
            self.tell(f"{problem}\n  runs fail until this is put right")
        for line in self.freshness.look(self.pipelines(), now, time.monotonic()):
            self.tell(line)
        if self._is_time("facts", _FACTS_SECONDS):
            self._watch_facts(now)
        if self._is_time("trim", _TRIM_SECONDS) and trim(self.history, self._loaded.keep, now) == BATCH:
            self._at["trim"] = 0.0  # the rest in the next rounds

    def _load(self) -> None:
        """Load the files if they are others than before, tell what is broken, and look at all schedules anew."""
        files = fingerprint(self.root)
        if files == self._files:
            return
        before, found = self._loaded, loaded(self.root, self._loaded)
        for problem in found.faults:
            if problem not in before.faults:
                self.tell(f"{problem}\n  the pipeline stays as it was" if self._has(found, problem) else str(problem))
        self._loaded, self._next = found, {}
        if not found.faults:
            forget_others(self.history, found.pipelines.__contains__)
        self.watches.watch(found.pipelines)
        self.fits.begin(found.pipelines)
        self.freshness.begin()
        if self._files is not None or found.pipelines:
            self.tell(f"{count(len(found.pipelines), 'pipeline')} loaded")
        self._files = files

    @staticmethod
    def _has(found: Loaded, problem: Problem) -> bool:
        return any(problem.place and pipeline.path == problem.place.path for pipeline in found.pipelines.values())

    def _decide(self, now: datetime) -> None:
        """Decide about the schedules whose time has come, and about those that nobody has looked at."""
        for name, pipeline in self.pipelines().items():
            if name in self._next and ((at := self._next[name]) is None or at > now):
                continue
            for tick in decide(self.history, pipeline, now):
                self._tell_tick(tick)
            self._next[name] = next_time(pipeline, now)

    def _begin(self) -> None:
        rows = self.history.database.rows(
            "select 1 from runs where finished_at is null and status in ('queued', 'waiting') limit 1"
        )
        if not rows or self._stopping:
            self.waits.close()
            return
        pipelines = self.pipelines()
        self.waits.look(pipelines, self.clock())
        for claim in self.member.claim(pipelines, self._loaded.limits, self.waits.held):
            self.tell(f"{claim.run.pipeline}: run {claim.run.id}, attempt {claim.run.attempt}")
            self.runner.begin(claim, pipelines[claim.run.pipeline], pipelines)

    def _take_over(self) -> None:
        for dead in self.member.dead():
            count = self.member.take_over(dead, self.pipelines())
            self.tell(f"the service {dead} has ended; runs of it that begin again: {count}")

    def _watch_facts(self, now: datetime) -> None:
        watched = [p for p in self.pipelines().values() if p.deadline is not None or p.fresh_within is not None]
        if watched:
            states = self.history.schedules()
            for pipeline in watched:
                state = states.get(pipeline.name)
                if state is not None and state.since is not None:
                    facts.watch(self.history, pipeline, state.since, now)

    def _is_time(self, what: str, seconds: float) -> bool:
        now = time.monotonic()
        if now < self._at.get(what, 0.0):
            return False
        self._at[what] = now + seconds
        return True

    def _tell_tick(self, tick: Tick) -> None:
        late = self.clock() - tick.due_at > timedelta(seconds=60)
        reason = f": {tick.reason}" if tick.reason else ""
        due = f" of {tick.due_at:%Y-%m-%d %H:%M} UTC" if late else ""
        self.tell(f"{tick.pipeline}: {tick.cause}{due} {tick.outcome}{reason}")

    def _beat(self) -> None:
        while not self._stopping:
            with suppress(SqlflowError):  # the next beat tries again
                member = self.member
                if not member.beat() and member is self.member:
                    self._is_ours = False
            time.sleep(BEAT_SECONDS)

    def _rejoin(self) -> None:
        """Begin anew after somebody has taken this service for dead: its runs are theirs now."""
        self.tell("this service was taken for dead, and its runs were taken over: it begins anew")
        self.runner.kill()
        self.member = Membership(self.history, clock=self.clock)
        self.member.join()
        self._is_ours = True

    def _end(self) -> None:
        self.watches.close()
        self.waits.close()
        self.freshness.close()
        self.fits.close()
        if self.runner.running:
            self.tell(f"runs that are ended, and go on with the next service: {len(self.runner.running)}")
        try:
            self.runner.stop(self.pipelines(), lambda: self._stopping > 1)
            self.member.leave()
        except SqlflowError as error:
            self.tell(f"error: {error}")
