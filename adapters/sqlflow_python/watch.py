"""What a function has reached outside of its inputs while it ran: files, folders, the network, other programs.

Its text was searched for that before (`outside`), which cannot find everything. Here Python itself tells, by its audit events, of what
is done in Python; what a package does in another language is not told. What packages do while they are imported is their own affair.
"""

import os
import site
import sys
import sysconfig
import tempfile
import zoneinfo
from collections.abc import Iterable
from pathlib import Path
from types import FrameType
from typing import Any

_READING = {"open": "opens", "sqlite3.connect": "opens", "os.listdir": "lists", "os.scandir": "lists"}
_MAKING = frozenset({"tempfile.mkstemp", "tempfile.mkdtemp", "os.mkdir"})
_REACHING = {
    **dict.fromkeys(("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"), "uses the network"),
    **dict.fromkeys(("subprocess.Popen", "os.system", "os.posix_spawn", "os.exec"), "starts another program"),
}  # fmt: skip
_WRITES = os.O_WRONLY | os.O_TRUNC | os.O_EXCL
_SYSTEM = ("/dev", "/proc", "/sys", "/etc/localtime", "/etc/timezone", "/etc/mime.types", *zoneinfo.TZPATH)
_IMPORTING = "<frozen importlib"
_SHOWING_CODE = ("linecache.py", "tokenize.py")


class Watch:
    """The ear of one process. `reached` is what the call that runs has reached; empty if it was nothing."""

    def __init__(self) -> None:
        self.reached = ""
        self._by_modules = ""
        """What modules of the project have reached when they were imported: it counts for all calls after it too."""
        self._root = ""
        self._inside: tuple[str, ...] = ()
        self._made: set[str] = set()
        self._temporary = os.path.realpath(tempfile.gettempdir())
        packages = (*site.getsitepackages(), *sysconfig.get_paths().values(), sys.prefix, sys.base_prefix)
        self._installed = _places((*packages, *_SYSTEM))
        sys.addaudithook(self._heard)

    def begin(self, root: str, path: Iterable[str], scratch: Path) -> None:
        """Begin a call of a function of the project in `root`. It may read what lies on `path`, and beside its folder `scratch`."""
        self.reached = self._by_modules
        self._root = os.path.realpath(root) + os.sep
        others = [entry for entry in _places(filter(None, path)) if not self._root.startswith(entry)]
        self._inside = (*self._installed, *others, *_places([str(scratch.parent)]))
        self._made = set()

    def _heard(self, event: str, arguments: tuple[Any, ...]) -> None:
        is_of_file = event in _READING or event in _MAKING
        if not self._inside or self.reached or not (is_of_file or event in _REACHING):
            return
        try:
            found = self._file(event, arguments) if is_of_file else _REACHING[event]
            if found:
                self._note(found, sys._getframe(1))
        except Exception:  # noqa: BLE001  whatever is wrong here is nothing that the user's code has done
            pass

    def _file(self, event: str, arguments: tuple[Any, ...]) -> str:
        """Return what is done to a file; nothing for one that anybody may read, and for what the call itself has made."""
        path = arguments[0] if arguments and arguments[0] is not None else "."
        if isinstance(path, int) or path in ("", b"", ":memory:"):
            return ""
        path = os.path.realpath(os.fsdecode(path))
        if event in _MAKING or (event == "open" and arguments[2] & _WRITES):
            self._made.add(path)
            return ""
        is_own = path == self._temporary or not self._made.isdisjoint((path, str(Path(path).parent)))
        if is_own or (path + os.sep).startswith(self._inside):
            return ""
        return f"{_READING[event]} `{path.removeprefix(self._root)}`"

    def _note(self, found: str, frame: FrameType | None) -> None:
        """Take down what was reached, unless a package does it that is being imported, or Python to show a line of code."""
        is_ours = is_imported = False
        while frame is not None:
            name = frame.f_code.co_filename
            if name.startswith(_IMPORTING) or name.endswith(_SHOWING_CODE):
                if not is_ours:
                    return
                is_imported = True
            is_ours = is_ours or (name.startswith(self._root) and not name.startswith(self._installed))
            frame = frame.f_back
        self.reached = found
        if is_imported:
            self._by_modules = found


def _places(paths: Iterable[str]) -> tuple[str, ...]:
    """Return folders, each with a separator behind it, as they begin what lies in them."""
    return tuple(sorted({os.path.realpath(path).rstrip(os.sep) + os.sep for path in paths}))
