"""Processes that run a user's code: watched, heard, and dead when they should be.

A child has a session of its own, no standard input, an environment of listed names, and ends with its parent. What it
and its own children print comes line by line; what they take of memory and processes is watched.
"""

import os
import re
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

PRINTED_BYTES_AT_MOST = 10 << 20
PRINTED_LINES_AT_MOST = 20_000
PROCESSES_AT_MOST = 512
_LINE_CHARACTERS = 2_000
_LAST_LINES = 10
_WATCH_SECONDS = 0.02
_ROUNDS = 100
_PIPE_BYTES = 1 << 20
_PASSED = re.compile(
    r"PATH|HOME|USER|LOGNAME|TMPDIR|TEMP|TMP|LANG|VIRTUAL_ENV|SSL_CERT_(FILE|DIR)|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE"
    r"|LD_LIBRARY_PATH|DYLD_\w+|\w+_proxy|\w+_PROXY|(OMP|OPENBLAS|MKL|NUMEXPR|VECLIB|POLARS|ARROW|LOKY)_\w+|R_\w+|JAVA_HOME"
)
_TOKEN = "SQLFLOW_CHILD"
"""The variable by which the descendants of a process are known."""
_LAUNCHER = """
import ctypes, os, signal, sys
parent = int(sys.argv[1])
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    with open("/proc/self/oom_score_adj", "w") as file:
        file.write("500")
if os.getppid() != parent:
    os._exit(1)
os.execvp(sys.argv[2], sys.argv[2:])
"""
"""Runs in the child before its program: it dies with its parent, and before it when memory runs out."""


def clean_environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment of a user's code: listed names alone, UTC and UTF-8, and `more`."""
    passed = {name: value for name, value in os.environ.items() if _PASSED.fullmatch(name)}
    return passed | {"TZ": "UTC", "LC_ALL": "C.UTF-8"} | dict(more or {})


def launched(command: Sequence[str]) -> list[str]:
    """Return the command that runs another one such that it ends with the thread that has begun it."""
    return [sys.executable, "-I", "-S", "-c", _LAUNCHER, str(os.getpid()), *command]


class Child:
    """A running process. `on_end` is called once, from a thread, when it has ended by whatever cause."""

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], folder: Path, pass_fds: Sequence[int] = ()
    ):
        reading, writing = os.pipe()
        _widen(writing)
        self._token = secrets.token_hex(16)
        try:
            self._process = subprocess.Popen(
                launched(command), stdin=subprocess.DEVNULL, stdout=writing, stderr=writing, cwd=folder,
                env={**environment, _TOKEN: self._token},
                pass_fds=pass_fds, start_new_session=True,
            )  # fmt: skip
        except BaseException:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        self.killed_for = ""
        self.prints = _Prints(reading)
        self._memory_bytes: int | None = None
        self._done = threading.Event()
        threading.Thread(target=self._watch, daemon=True).start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def limit(self, memory_bytes: int | None) -> None:
        """Kill the process when it and its children take more memory than this from now on."""
        self._memory_bytes = memory_bytes

    def kill(self, why: str = "") -> None:
        """End the process and all of its session that is still there, and remember why."""
        self.killed_for = self.killed_for or why
        self._end_session()

    def wait(self) -> int:
        """Return how the process ended, as `subprocess` tells it, once it and all of its children are gone."""
        code = self._process.wait()
        self._end_session()
        return code

    def close(self) -> None:
        """End everything, and read what was printed to its end."""
        self._done.set()
        self.kill()
        self._process.wait()
        self.prints.join()

    def _end_session(self) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        for _ in range(_ROUNDS):  # what is forked while the others are killed is met in the next one
            for pid in (left := _having(f"{_TOKEN}={self._token}".encode())):
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
            if not left:
                return

    def _watch(self) -> None:
        """Look after the process as long as it lives: it may take no more than it was given."""
        while self._process.poll() is None and not self._done.wait(_WATCH_SECONDS):
            taken, processes = _taken(self.pid)
            limit = self._memory_bytes
            if limit is not None and taken > limit:
                self.kill(f"it took more memory than its limit of {size_text(limit)}")
            elif processes > PROCESSES_AT_MOST:
                self.kill(f"it started more than {PROCESSES_AT_MOST} processes")


def _having(text: bytes) -> list[int]:
    """Return the living processes that began with a text in their environment: those that left their session, too."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if text in path.read_bytes():
                found.append(int(path.parent.name))
    return found


def _widen(pipe: int) -> None:
    """Let a pipe hold more where that can be had: fewer turns for a process that prints much."""
    if sys.platform == "linux":
        import fcntl

        try:
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        except OSError:
            return


def _taken(pid: int) -> tuple[int, int]:
    """Return how many bytes a process and its children hold, and how many processes they are."""
    if sys.platform != "linux":
        return _taken_elsewhere(pid)
    total, seen, waiting = 0, 0, [pid]
    while waiting and seen <= PROCESSES_AT_MOST:
        process = waiting.pop()
        try:
            _, resident, shared, *_ = Path(f"/proc/{process}/statm").read_text().split()
            children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
        except (OSError, ValueError):
            continue
        total += (int(resident) - int(shared)) * os.sysconf("SC_PAGE_SIZE")
        seen += 1
        waiting += map(int, children)
    return total, seen


def _taken_elsewhere(pid: int) -> tuple[int, int]:
    listed = subprocess.run(["ps", "-A", "-o", "pgid=,rss="], capture_output=True, text=True, check=False).stdout
    rows = [line.split() for line in listed.splitlines()]
    own = [int(row[1]) * 1024 for row in rows if len(row) == 2 and row[0] == str(pid)]
    time.sleep(_WATCH_SECONDS * 10)
    return sum(own), len(own)


class _Prints:
    """What a process prints: told line by line, cut where it is too much, and never waited for by the process."""

    def __init__(self, pipe: int) -> None:
        self._pipe = pipe
        self._lock = threading.Lock()
        self._say: Callable[[str], None] | None = None
        self._mark = b""
        self._marked = threading.Event()
        self._rest = b""
        self._bytes = self._lines = 0
        self._cut = self._has_ended = False
        self.last: list[str] = []
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def begin(self, say: Callable[[str], None], mark: str) -> None:
        """Tell what is printed from now on to `say`, up to the line `mark`."""
        with self._lock:
            self._say, self._mark = say, mark.encode() + b"\n"
            if not self._has_ended:
                self._marked.clear()
            self._rest, self._bytes, self._lines, self._cut, self.last = b"", 0, 0, False, []

    def end(self) -> None:
        """Wait until all that was printed before the mark, or before the process ended, has been told."""
        self._marked.wait()
        with self._lock:
            self._say = None

    def join(self) -> None:
        self._thread.join()

    def _read(self) -> None:
        with os.fdopen(self._pipe, "rb", buffering=0) as pipe:
            while chunk := pipe.read(_PIPE_BYTES):
                with self._lock:
                    self._take(chunk)
        with self._lock:
            self._tell(self._rest.splitlines())
            self._rest = self._mark = b""
            self._has_ended = True
            self._marked.set()

    def _take(self, chunk: bytes) -> None:
        text = self._rest + chunk
        before, mark, after = text.partition(self._mark) if self._mark else (text, b"", b"")
        *lines, self._rest = before.split(b"\n")
        self._tell(lines)
        if mark:
            self._tell(self._rest.splitlines())
            self._rest, self._mark, self._say = after, b"", None
            self._marked.set()
        elif self._cut or len(self._rest) > _LINE_CHARACTERS * 4:
            self._shorten()

    def _shorten(self) -> None:
        """Keep of a line without an end what will be shown of it, and what may be the beginning of the mark."""
        kept = len(self._mark) if self._mark else 0
        head = b"" if self._cut else self._rest[: _LINE_CHARACTERS * 4]
        self._bytes += max(0, len(self._rest) - len(head) - kept)
        self._rest = head + self._rest[max(len(head), len(self._rest) - kept) :]

    def _tell(self, lines: Sequence[bytes]) -> None:
        for line in lines if self._say else ():
            if self._cut:
                return
            self._bytes += len(line) + 1
            self._lines += 1
            if self._bytes > PRINTED_BYTES_AT_MOST or self._lines > PRINTED_LINES_AT_MOST:
                self._cut = True
                self._told("… cut: it printed more than is kept")
                return
            text = line.decode(errors="replace").rstrip("\r")
            self._told(text if len(text) <= _LINE_CHARACTERS else text[:_LINE_CHARACTERS] + " … cut")

    def _told(self, text: str) -> None:
        self.last = [*self.last[1 - _LAST_LINES :], text]
        if self._say is not None:
            self._say(text)


def ended_text(code: int) -> str:
    """Return how a process ended, in words."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"signal {-code} ({signal.Signals(-code).name})"
    except ValueError:
        return f"signal {-code}"


def size_text(size: int) -> str:
    """Return a number of bytes as `500 MB` or `2 GB`."""
    for unit, factor in (("GB", 1 << 30), ("MB", 1 << 20), ("kB", 1 << 10)):
        if size >= factor:
            return f"{size / factor:.4g} {unit}"
    return f"{size} bytes"
