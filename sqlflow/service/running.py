"""The process of one attempt: begun, heard, and ended in time.

It has a process group of its own and dies with the service: what it has finished is used again by the next attempt, so that
nothing is gained by letting it go on with nobody to listen.
"""

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Thread

from sqlflow.core.errors import SqlflowError
from sqlflow.core.process import launched
from sqlflow.service.leases import End
from sqlflow.service.processes import identity
from sqlflow.service.recording import Recording

GRACE_SECONDS = 10.0
"""How long a run has to end by itself once it was asked to."""
_PAUSE_SECONDS = 0.05
_CHUNK_BYTES = 1 << 20
_LINE_BYTES_AT_MOST = 1 << 20
_AGAIN_SECONDS = (0.2, 1.0, 5.0)


class Running:
    """A run's process. Begin it in a thread that lives as long as the service: it dies with the one that began it."""

    def __init__(
        self, command: Sequence[str], folder: Path, recording: Recording, ended: Callable[["Running"], None],
        environment: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        self.recording = recording
        self.asked: End | None = None
        self._kill_at: float | None = None
        self._ended = ended
        self._process = subprocess.Popen(
            launched(command), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=folder,
            env={**os.environ, **(environment or {})}, start_new_session=True,
        )  # fmt: skip
        self.began_at = time.monotonic()
        self.process = identity(self.pid)
        self._thread = Thread(target=self._hear, name=f"sqlflow-run-{recording.run}", daemon=True)
        self._thread.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def stop(self, end: End) -> None:
        """Ask the process to end, and remember how its attempt is told: the first to ask says it."""
        if self.asked is None:
            self.asked = end
            self._kill_at = time.monotonic() + GRACE_SECONDS
            self._signal(signal.SIGTERM)

    def look_after(self) -> None:
        """Kill the process if it was asked to end and has not."""
        if self._kill_at is not None and time.monotonic() >= self._kill_at:
            self.kill()

    def kill(self) -> None:
        self._signal(signal.SIGKILL)

    def join(self, seconds: float) -> bool:
        """Wait until the end has been told, and return whether it was."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def end(self) -> End:
        """Return how the attempt has ended."""
        code = self._process.wait()
        return ended(code, self.recording, self.asked)

    def _signal(self, number: int) -> None:
        if self._process.poll() is None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, number)

    def _hear(self) -> None:
        try:
            if self._record(lambda: self.recording.began(self.pid, self.process)):
                self._read()
            else:
                self.kill()
            self._process.wait()
        finally:
            for stream in (self._process.stdout, self._process.stderr):
                if stream is not None:
                    stream.close()
            self._ended(self)

    def _read(self) -> None:
        """Read both streams to their ends, or until the process has ended and says nothing any more."""
        assert self._process.stdout and self._process.stderr
        told, printed = _Lines(), _Lines()
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ, told)
            selector.register(self._process.stderr, selectors.EVENT_READ, printed)
            while selector.get_map():
                ready = selector.select(timeout=1.0)
                for key, _ in ready:
                    if chunk := os.read(key.fd, _CHUNK_BYTES):
                        key.data.add(chunk)
                    else:
                        selector.unregister(key.fileobj)
                if not ready and self._process.poll() is not None:
                    break
                if not self._keep(told.taken(), printed.taken()):
                    return
                time.sleep(_PAUSE_SECONDS)
            self._keep(told.rest(), printed.rest())

    def _keep(self, told: list[str], printed: list[str]) -> bool:
        """Record lines; False if the attempt is somebody else's, and the process has been killed for it."""
        if not told and not printed:
            return True
        ours = self._record(lambda: self.recording.write(told, printed))
        if not ours:
            self.kill()
        return ours

    def _record(self, write: Callable[[], bool]) -> bool:
        """Write into the history, as soon as that can be done: the run itself goes on meanwhile."""
        tries = 0
        while True:
            try:
                return write()
            except SqlflowError:
                time.sleep(_AGAIN_SECONDS[min(tries, len(_AGAIN_SECONDS) - 1)])
                tries += 1


class _Lines:
    """Bytes as lines; what is no whole line yet is kept back, unless it is too long for one."""

    def __init__(self) -> None:
        self._bytes = b""

    def add(self, chunk: bytes) -> None:
        self._bytes += chunk

    def taken(self) -> list[str]:
        whole, _, self._bytes = self._bytes.rpartition(b"\n")
        lines = whole.split(b"\n") if whole else []
        if len(self._bytes) > _LINE_BYTES_AT_MOST:
            lines, self._bytes = [*lines, self._bytes], b""
        return [line.decode(errors="backslashreplace").replace("\0", "\\x00") for line in lines]

    def rest(self) -> list[str]:
        self._bytes += b"\n" if self._bytes else b""
        return self.taken()


def ended(code: int, recording: Recording, asked: End | None) -> End:
    """Return how an attempt has ended, by how its process has: by a signal is lost, unless the service has asked for it.

    What a later attempt could not do better is not tried again: a wrong project, and what people have cancelled.
    """
    said = next((line for line in recording.errors if line.strip()), "")
    if code == 0:
        return End("warned" if recording.status == "warned" else "succeeded", exit_code=code)
    if asked is not None:
        return End(asked.status, asked.reason, code, asked.may_retry, asked.is_interrupted)
    if code < 0:
        return End("lost", f"its process was killed by {signal.Signals(-code).name}", code, may_retry=True)
    if code in (128 + signal.SIGINT, 128 + signal.SIGTERM):
        return End("cancelled", f"its process was stopped by {signal.Signals(code - 128).name}", code)
    reason = recording.reason or said.removeprefix("error: ") or f"its process ended with the exit code {code}"
    return End("failed", reason, code, may_retry=code != 2)
