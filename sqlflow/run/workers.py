"""The processes of a run's functions: started when one is needed, kept warm, ended with the run."""

import os
import secrets
import shutil
import tempfile
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlflow.core.runtime import Runtime, Worker


class Workers:
    """Lends processes, each to one call at a time, and folders that are there as long as a call."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._idle: dict[str, list[Worker]] = defaultdict(list)
        self._busy: set[Worker] = set()
        self._lock = threading.Lock()
        self._folder: Path | None = None

    @contextmanager
    def borrowed(self, runtime: Runtime) -> Iterator[Worker]:
        """Yield a process that nobody else uses; one that cannot take another call is ended.

        It lives no longer than the thread that has first borrowed it.
        """
        with self._lock:
            idle, ended = self._idle[runtime.name], list[Worker]()
            while idle and not idle[-1].is_alive:
                ended.append(idle.pop())
            worker = idle.pop() if idle else None
        for one in ended:
            one.close()
        worker = worker or runtime.start()
        with self._lock:
            self._busy.add(worker)
        try:
            yield worker
        finally:
            with self._lock:
                self._busy.discard(worker)
                if worker.is_alive:
                    self._idle[runtime.name].append(worker)
                    worker = None
            if worker is not None:
                worker.close()

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """Yield an empty folder; it goes at the end, with all beside it that begins with its name."""
        folder = self._scratch_folder() / secrets.token_hex(6)
        folder.mkdir()
        try:
            yield folder
        finally:
            for path in folder.parent.glob(f"{folder.name}*"):
                shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)

    def _scratch_folder(self) -> Path:
        with self._lock:
            if self._folder is None:
                self._folder = _made(self._root / ".sqlflow" / "scratch")
            return self._folder

    def interrupt(self) -> None:
        """Kill the processes that are at work now."""
        with self._lock:
            busy = tuple(self._busy)
        for worker in busy:
            worker.interrupt()

    def rest(self) -> None:
        """End the processes that nobody uses now."""
        with self._lock:
            workers = [worker for idle in self._idle.values() for worker in idle]
            self._idle.clear()
        for worker in workers:
            worker.close()

    def close(self) -> None:
        """End all processes, and take the folders away; what is lent after that is new."""
        with self._lock:
            workers = [*self._busy, *(worker for idle in self._idle.values() for worker in idle)]
            self._idle.clear()
            folder, self._folder = self._folder, None
        for worker in workers:
            worker.close()
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)


def _made(parent: Path) -> Path:
    """Return a new folder of this process below `parent`, where nothing of dead ones is left; elsewhere if it must be."""
    try:
        parent.mkdir(parents=True, exist_ok=True)
        for left in parent.iterdir():
            if not _is_running(left.name.partition("-")[0]):
                shutil.rmtree(left, ignore_errors=True)
        return Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=parent.resolve()))
    except OSError:
        return Path(tempfile.mkdtemp(prefix="sqlflow-"))


def _is_running(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except (ValueError, ProcessLookupError):
        return False
    except PermissionError:
        return True
    return True
