"""Which files a project holds, and their text: bounded, UTF-8, and never outside the project."""

import errno
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from sqlflow.core.errors import Problem, ProjectError
from sqlflow.core.text import Place, SourceFile

BYTES_AT_MOST = 1 << 20
DEPTH_AT_MOST = 32
_SPACES = {"\u00a0": "a non-breaking space", "\u2007": "a figure space", "\u202f": "a narrow non-breaking space"}
_SUSPECT = re.compile(
    "[\\x00-\\x08\\x0b\\x0e-\\x1f\\x7f-\\xa0\\xad\\u2007\\u200b-\\u200f\\u2028-\\u202f\\u2060-\\u206f\\ufeff]|\r(?!\n)"
)
_PLAIN = bytes([*b"\t\n", *range(0x20, 0x7F)])
"""What no file need be searched for: most hold nothing else."""
_JOINERS = "\u200c\u200d"
"""Legitimate inside words of some scripts and in emoji, so allowed behind a letter that is not ASCII."""
_IGNORED_FOLDERS = frozenset({"__pycache__", "node_modules", "venv", "target"})


class Listing(Struct, frozen=True):
    """The files below a folder, as paths relative to the project, sorted; and what was passed over."""

    files: tuple[str, ...]
    skipped: tuple[str, ...] = ()


def listed(root: Path, folder: str, problems: list[Problem]) -> Listing:
    """Return the regular files below `folder`. Faults such as links to folders are added to `problems`."""
    files: list[str] = []
    skipped: list[str] = []
    for path, is_hidden in _walk(root, folder, problems):
        (skipped if is_hidden else files).append(path)
    return Listing(tuple(sorted(files)), tuple(sorted(skipped)))


def _walk(root: Path, folder: str, problems: list[Problem]) -> Iterator[tuple[str, bool]]:
    open_folders = [(folder.strip("/"), 0)]
    while open_folders:
        here, depth = open_folders.pop()
        if depth > DEPTH_AT_MOST:
            problems.append(Problem(f"folders are nested too deep: at most {DEPTH_AT_MOST}", Place(here)))
            continue
        try:
            entries = sorted(os.scandir(root / here if here else root), key=lambda entry: entry.name)
        except OSError as error:
            problems.append(_read_problem(here, error))
            continue
        for entry in entries:
            path = f"{here}/{entry.name}" if here else entry.name
            if entry.name.startswith("."):
                yield path, True
            elif entry.is_dir(follow_symlinks=False):
                if entry.name not in _IGNORED_FOLDERS:
                    open_folders.append((path, depth + 1))
            elif entry.is_symlink() and not _link_is_sound(root, path, problems):
                continue
            else:
                yield path, False


def _link_is_sound(root: Path, path: str, problems: list[Problem]) -> bool:
    try:
        end = (root / path).resolve(strict=True)
    except (OSError, RuntimeError):
        problems.append(Problem("the link leads nowhere or to itself", Place(path)))
        return False
    if not end.is_relative_to(root.resolve()):
        problems.append(Problem("the link leads outside the project", Place(path), "copy the file into the project"))
        return False
    if end.is_dir():
        problems.append(Problem("a link to a folder is not followed", Place(path), "move the folder itself here"))
        return False
    return True


def read(root: Path, path: str) -> SourceFile:
    """Return the text of a file. Raise ProjectError if it is no bounded, regular file of clean UTF-8 text."""
    data = read_bytes(root, path, BYTES_AT_MOST)
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ProjectError("the file is UTF-16", Place(path), "save it as UTF-8")
    if b"\x00" in data[:8192]:
        raise ProjectError("not a text file: it holds the control character \\x00", Place(path))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        message = f"not UTF-8 text: byte {error.start + 1} is 0x{data[error.start]:02x}"
        raise ProjectError(message, Place(path), "save the file as UTF-8") from error
    source = SourceFile(path, text)
    if data.translate(None, _PLAIN):
        _refuse_characters(source)
    return source


def read_bytes(root: Path, path: str, at_most: int) -> bytes:
    """Return a regular file's content. Raise ProjectError if it cannot be read or is larger than `at_most` bytes."""
    try:
        descriptor = os.open(root / path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise ProjectError("not a regular file", Place(path))
            data = file.read(at_most + 1)
    except OSError as error:
        raise ProjectError(_read_problem(path, error)) from error
    if len(data) > at_most:
        raise ProjectError(f"larger than {at_most >> 20} MiB", Place(path))
    return data


def _read_problem(path: str, error: OSError) -> Problem:
    place = Place(path if len(path) < 200 else path[:60] + "…" + path[-60:])
    match error.errno:
        case errno.EACCES | errno.EPERM:
            return Problem("no permission to read it", place)
        case errno.ENOENT:
            return Problem("changed while it was read: it is gone", place, "run the command again")
        case errno.ENAMETOOLONG:
            return Problem("the path is too long", place)
        case errno.ELOOP:
            return Problem("the link leads nowhere or to itself", place)
        case errno.ENXIO:
            return Problem("not a regular file", place)
        case _:
            return Problem(f"cannot be read: {error.strerror}", place)


def _refuse_characters(source: SourceFile) -> None:
    """Refuse what a reader of the file cannot see: control characters, odd spaces, lone carriage returns."""
    for match in _SUSPECT.finditer(source.text):
        character, offset = match.group(), match.start()
        if character in _JOINERS and not source.text[offset - 1 : offset].isascii():
            continue
        if character == "\r":
            raise ProjectError("the line ending is a lone carriage return", source.place(offset), "use LF or CRLF")
        code = f"U+{ord(character):04x}"
        if character in _SPACES:
            raise ProjectError(f"{_SPACES[character]} ({code})", source.place(offset), "use a plain space")
        raise ProjectError(f"control character {code}", source.place(offset), "take it out")
