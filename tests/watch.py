"""What a process does while it loads a project, seen by an audit hook that no code in the process can take away."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import CodeType
from typing import Any

REPOSITORY = Path(__file__).parent.parent
_READABLE = (
    sys.prefix, sys.base_prefix, sys.exec_prefix, Path(os.__file__).parent, REPOSITORY / "sqlflow", REPOSITORY / "adapters",
    REPOSITORY / "tests", REPOSITORY / "pyproject.toml", "/usr/lib", "/usr/share/zoneinfo", "/usr/share/locale", "/etc", "/proc", "/dev",
    "/sys", "/usr/bin/R", "/usr/local/lib/R",  # versions of what is installed are a part of what a block is
)  # fmt: skip
_NEVER = (
    "subprocess.Popen", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.system", "pty.spawn", "socket.connect",
    "socket.bind", "socket.getaddrinfo", "socket.sendto", "urllib.Request", "ftplib.connect", "http.client.connect", "smtplib.connect",
)  # fmt: skip
_CHANGES = (
    "os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.truncate", "os.chmod", "os.chown", "os.utime",
    "shutil.rmtree", "shutil.move", "shutil.copyfile",
)  # fmt: skip
_watched: list[tuple[Path, list[str]]] = []
"""The project that is loaded now, and what was done that must not be: a hook stays for good, so that it looks here."""


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if not _watched:
        return
    root, seen = _watched[-1]
    if event in _NEVER:
        seen.append(f"{event} {arguments!r}"[:300])
    elif event == "open" and isinstance(arguments[0], str | bytes | os.PathLike):
        _watch_open(root, seen, os.fsdecode(arguments[0]), int(arguments[2] or 0))
    elif event in _CHANGES and not _is_below(arguments[0], root):
        seen.append(f"{event} {arguments!r}"[:300])
    elif event == "exec" and isinstance(arguments[0], CodeType) and _is_user_code(arguments[0].co_filename, root):
        seen.append(f"runs {arguments[0].co_filename}")


def _is_user_code(name: str, root: Path) -> bool:
    """Tell whether code is a file of the project. Templates are compiled too, and run in their sandbox."""
    return name.endswith((".py", ".pyc")) and _is_below(name, root)


def _watch_open(root: Path, seen: list[str], path: str, flags: int) -> None:
    if _is_below(path, root):
        return
    if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) and not path.startswith("/dev/"):
        seen.append(f"writes {path}")
    elif not any(_is_below(path, Path(place)) for place in _READABLE):
        seen.append(f"reads {path}")


def _is_below(path: Any, folder: Path) -> bool:
    absolute = os.path.abspath(os.fsdecode(path)) if not isinstance(path, int) else str(folder)  # noqa: PTH100  links are looked at as they are
    return absolute == str(folder) or absolute.startswith(f"{folder}{os.sep}")


@contextmanager
def watched(root: Path) -> Iterator[list[str]]:
    """Yield a list that fills with all that is done outside of `root`, and must not be done while a project is loaded."""
    if not hasattr(sys, "_sqlflow_watched"):
        sys.addaudithook(_hook)
        sys._sqlflow_watched = True  # type: ignore[attr-defined]
    seen: list[str] = []
    _watched.append((root.resolve(), seen))
    try:
        yield seen
    finally:
        _watched.pop()
