"""Versions of files: a hash of what they hold."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from sqlflow.core.block import Project

_CHUNK = 1 << 20


def file_versions(project: Project) -> dict[str, str]:
    """Return the version of each file or glob that the project reads, by the path as it is written.

    It is empty for what cannot be told: a URL, a path that matches no file, and `**`, which engines read differently.
    """
    return {path: _version(project.root, path) for path in sorted(set(_paths(project)))}


def _paths(project: Project) -> Iterable[str]:
    for block in project.blocks.values():
        if block.kind == "seed":
            yield block.source.path
        elif block.query is not None:
            yield from block.query.files
    yield from (source.files for source in project.sources.values() if source.files)


def _version(root: Path, path: str) -> str:
    if "://" in path or "**" in path:
        return ""
    pure = Path(path)
    if Path.cwd() != root.resolve() and not pure.is_absolute() and pure.exists():
        return ""  # an engine may look into the folder that the process is in before it looks into the project
    base = Path(pure.anchor) if pure.is_absolute() else root
    relative = str(pure.relative_to(pure.anchor)) if pure.is_absolute() else path
    try:
        found = sorted(file for file in base.glob(relative) if file.is_file())
        if not found:
            return ""
        whole = hashlib.blake2b(digest_size=16)
        for file in found:
            whole.update(str(file.relative_to(base)).encode() + b"\x00" + _content(file))
        return whole.hexdigest()
    except (OSError, ValueError, NotImplementedError):
        return ""


def _content(file: Path) -> bytes:
    content = hashlib.blake2b(digest_size=16)
    with file.open("rb") as opened:
        while chunk := opened.read(_CHUNK):
            content.update(chunk)
    return content.digest()
