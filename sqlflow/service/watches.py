"""The triggers of all pipelines, looked at when it is time: each knows when that is."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path, PurePosixPath
from threading import Event, Thread

from sqlflow.core.errors import BusyError
from sqlflow.core.pipeline import After, Files, Pipeline, Query
from sqlflow.read.pipelines import FOLDER
from sqlflow.service.history import History
from sqlflow.service.nouns import Tick
from sqlflow.service.questions import Answer, Question
from sqlflow.service.ticks import AskedRun, triggered
from sqlflow.service.triggers import FileWatch, digest, ended_well, noticed, query_name

_LOOK_AGAIN_SECONDS = 60.0
"""What no notice comes of, as on a disk of another machine, is found so soon."""
_IN_ROOT_SECONDS = 5.0
"""The project's own folder is not watched: builds write into it all the time."""
_GATHERING_MS = 500
"""How long changes are gathered before they are told; it wakes as often while there are none."""
_MOVING_SECONDS = 1.0


@dataclass
class QueryWatch:
    """The query of one trigger: asked every so often, in a process of its own, one at a time."""

    root: Path
    pipeline: str
    number: int
    trigger: Query
    _question: Question | None = None
    _next: float = 0.0
    _error: str = ""

    def look(self, history: History, pipeline: Pipeline, now: datetime, seconds: float) -> Tick | None:
        """Begin to ask when it is time, and fire when the answer is another one. An error is recorded once."""
        if self._question is None:
            if seconds >= self._next:
                self._question = Question.of_pipeline(self.root, self.pipeline, "trigger", self.number, seconds)
            return None
        answer = self._question.answer(seconds)
        if answer is None:
            return None
        self._next, self._question = self._question.began + self.trigger.every, None
        if answer.exit_code == 0:
            self._error = ""
            name = query_name(self.trigger.sql)
            return noticed(history, pipeline, name, "query", {"rows": answer.text}, now, what="the rows are others")
        return self._failed(history, pipeline, answer, now)

    def close(self) -> None:
        if self._question is not None:
            self._question.close()

    def _failed(self, history: History, pipeline: Pipeline, answer: Answer, now: datetime) -> Tick | None:
        what = answer.error
        if answer.exit_code == BusyError.exit_code or what == self._error:  # busy: it is asked again
            return None
        self._error = what
        key = f"{query_name(self.trigger.sql)}:error:{now.isoformat()}:{digest(what)}"
        return triggered(history, pipeline, AskedRun("query", key, now, what, outcome="error"), now)


@dataclass
class Watches:
    """Everything that is watched for the pipelines of a project."""

    root: Path
    history: History
    changed: Event = field(default_factory=Event)
    """Set when a file below a watched folder has changed."""
    _files: list[FileWatch] = field(default_factory=list)
    _queries: list[QueryWatch] = field(default_factory=list)
    _afters: list[tuple[str, After]] = field(default_factory=list)
    _seen_ended: int | None = None
    _files_at: float = 0.0
    _look_again: float = 60.0
    _notices: "_Notices | None" = None

    def watch(self, pipelines: Mapping[str, Pipeline]) -> None:
        """Watch for these pipelines from now on."""
        for query in self._queries:
            query.close()
        triggers = [(name, number, one) for name, p in pipelines.items() for number, one in enumerate(p.triggers)]
        self._files = [FileWatch(self.root, name, one) for name, _, one in triggers if isinstance(one, Files)]
        self._queries = [QueryWatch(self.root, name, n, one) for name, n, one in triggers if isinstance(one, Query)]
        self._afters = [(name, one) for name, _, one in triggers if isinstance(one, After)]
        self._seen_ended = None
        self._files_at = 0.0
        fixed = {_fixed_part(watch.trigger.path) for watch in self._files}
        self._look_again = _IN_ROOT_SECONDS if "." in fixed else _LOOK_AGAIN_SECONDS
        folders = {FOLDER, *fixed} - {"."}
        if self._notices is None or self._notices.folders != folders:
            if self._notices is not None:
                self._notices.close()
            self._notices = _Notices(self.root, folders, self.changed.set)

    def look(self, pipelines: Mapping[str, Pipeline], now: datetime, something_changed: bool) -> list[Tick]:
        """Look at what it is time to look at, and return what has fired."""
        seconds = time.monotonic()
        found = [*self._look_at_afters(pipelines, now), *self._look_at_queries(pipelines, now, seconds)]
        if something_changed or seconds >= self._files_at:
            looked = [one.look(self.history, pipelines[one.pipeline], now, seconds) for one in self._files]
            is_moving = any(one.is_moving for one in self._files)
            self._files_at = seconds + (_MOVING_SECONDS if is_moving else self._look_again)
            found += [tick for tick in looked if tick]
        return found

    def close(self) -> None:
        for query in self._queries:
            query.close()
        if self._notices is not None:
            self._notices.close()

    def _look_at_afters(self, pipelines: Mapping[str, Pipeline], now: datetime) -> Iterator[Tick]:
        """Look at them when a run has ended somewhere: the history counts what has changed."""
        if not self._afters:
            return
        ((ended,),) = self.history.database.rows("select coalesce(max(id), 0) from changes")
        if ended == self._seen_ended:
            return
        ticks = [ended_well(self.history, pipelines[name], trigger, now) for name, trigger in self._afters]
        yield from (tick for tick in ticks if tick)
        self._seen_ended = ended

    def _look_at_queries(self, pipelines: Mapping[str, Pipeline], now: datetime, seconds: float) -> Iterable[Tick]:
        looked = [one.look(self.history, pipelines[one.pipeline], now, seconds) for one in self._queries]
        return [tick for tick in looked if tick]


def _fixed_part(pattern: str) -> str:
    """Return the folder of a glob that has no wildcard in it.

    >>> _fixed_part("inbox/2026/*.csv")
    'inbox/2026'
    """
    parts = PurePosixPath(pattern).parts[:-1]
    fixed = [
        part
        for number, part in enumerate(parts)
        if not any("*" in p or "?" in p or "[" in p for p in parts[: number + 1])
    ]
    return "/".join(fixed) or "."


class _Notices:
    """A thread that hears from the system when something below folders changes."""

    def __init__(self, root: Path, folders: set[str], tell: Callable[[], None]) -> None:
        self.folders = folders
        self._stop = Event()
        self._paths = [root / folder for folder in sorted(folders)]
        self._tell = tell
        self._thread = Thread(target=self._hear, name="sqlflow-files", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._thread.join()

    def _hear(self) -> None:
        from watchfiles import watch

        while not self._stop.is_set():
            there = [path for path in self._paths if path.is_dir()]
            if not there:
                self._stop.wait(_MOVING_SECONDS)
                continue
            try:
                for changes in watch(
                    *there, stop_event=self._stop, step=_GATHERING_MS, rust_timeout=1000, yield_on_timeout=True
                ):
                    is_other = [path for path in self._paths if path.is_dir()] != there
                    if changes or is_other:
                        self._tell()
                    if is_other:
                        break
            except (OSError, RuntimeError):  # too many to watch, or one that went away: they are looked at now and then
                self._stop.wait(5.0)
