"""Versions of files: a hash of what they hold."""

import hashlib
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from msgspec import Struct, field

from sqlflow.core.block import Project
from sqlflow.read.contents import Contents
from sqlflow.read.stamps import changed_at, is_settled


class FileVersions(Struct, frozen=True):
    """The versions of files by the path as it is written, and when (seconds since 1970) they were looked at.

    A version is empty for what cannot be told: a URL, a path that matches no file, and `**`, which engines read in
    different ways.
    """

    root: Path = Path()
    versions: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    def of(self, path: str) -> str:
        return self.versions.get(path, "")

    def hold(self, path: str) -> bool:
        """Tell whether the files at `path` are still what they were: they are read again only if they were touched."""
        found = files_at(self.root, path)
        untouched = len(found) == 1 and is_settled(changed_at(found[0].stat()), int(self.seconds * 1e9))
        return untouched or _version(self.root, path, Contents()) == self.of(path)


NO_FILES = FileVersions()


def file_versions(project: Project, contents: Contents) -> FileVersions:
    """Return the versions of all files that the project reads; a file whose hash is among `contents` is not read again."""
    now = time.time()
    versions = {path: _version(project.root, path, contents) for path in sorted(set(_paths(project)))}
    return FileVersions(project.root, versions, now)


def _paths(project: Project) -> Iterable[str]:
    for block in project.blocks.values():
        if block.kind == "seed":
            yield block.source.path
        elif block.code is not None:
            yield from block.code.files
        for assertion in block.assertions:
            yield from assertion.code.files
    for assertion in project.assertions:
        yield from assertion.code.files
    yield from (source.files for source in project.sources.values() if source.files)


def _version(root: Path, path: str, contents: Contents) -> str:
    found = files_at(root, path)
    whole = hashlib.blake2b(digest_size=16)
    try:
        for file in found:
            shown = file.relative_to(root) if file.is_relative_to(root) else file
            whole.update(str(shown).encode() + b"\x00" + contents.of(file))
    except OSError:
        return ""
    return whole.hexdigest() if found else ""


def files_at(root: Path, path: str) -> list[Path]:
    """Return the files that a path or glob matches; none where it cannot be told which ones an engine would read."""
    pure = Path(path)
    if "://" in path or "**" in path:
        return []
    if Path.cwd() != root.resolve() and not pure.is_absolute() and pure.exists():
        return []  # an engine may look into the folder that the process is in before it looks into the project
    base = Path(pure.anchor) if pure.is_absolute() else root
    relative = str(pure.relative_to(pure.anchor)) if pure.is_absolute() else path
    try:
        return sorted(file for file in base.glob(relative) if file.is_file())
    except (OSError, ValueError, NotImplementedError):
        return []
