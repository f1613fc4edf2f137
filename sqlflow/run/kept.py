"""What is kept in the project's folder for the next time: the blocks that were read, and the hashes of files."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from sqlflow.core.block import Project
from sqlflow.core.environment import PROD, Environment
from sqlflow.read.cache import LoadCache
from sqlflow.read.contents import Contents
from sqlflow.read.environments import published_in
from sqlflow.read.project import load

if TYPE_CHECKING:
    from sqlflow.core.pipeline import Pipeline

CACHE_FILE = Path(".sqlflow/loaded.bin")
CONTENTS_FILE = Path(".sqlflow/files.bin")


class _Kept(Protocol):
    @property
    def is_changed(self) -> bool: ...
    def encoded(self) -> bytes: ...


def kept_of(root: Path) -> LoadCache:
    """Return what was kept of the last load; nothing where there is none, or where it cannot be read."""
    return LoadCache.decoded(_read(root / CACHE_FILE))


def read_and_kept(
    root: Path, target: str | None, variables: Mapping[str, Any] | None, environment: str | None, pipeline: str | None
) -> "tuple[Project, LoadCache, Pipeline | None]":
    """Return the project in a folder, what was kept of it, and the pipeline that it is read for, if one is named.

    Raise ProjectError with every fault of its files, and UsageError for a name that no environment or no pipeline has.
    """
    where = Environment.parse(PROD.name if environment is None else environment)
    kept = kept_of(root)
    if pipeline is None:
        loaded, piped = load(root, target, variables, cache=kept), None
    else:
        from sqlflow.read.pipelines import pipeline_named  # a project without pipelines does not pay for them
        from sqlflow.read.resources import load_for

        piped = pipeline_named(root, pipeline)
        loaded = load_for(piped, root, target, variables, kept)
        where = Environment.parse(piped.environment if environment is None else environment)
    keep(root, kept)
    return published_in(loaded, where), kept, piped


def contents_of(root: Path) -> Contents:
    """Return the hashes of files that were kept, in the same way."""
    return Contents.decoded(_read(root / CONTENTS_FILE))


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:
        return b""


def keep(root: Path, kept: _Kept, make_folder: bool = False) -> None:
    """Write what was read for the next time: loading alone makes no folder for it, building does."""
    if kept.is_changed:
        write(root / (CONTENTS_FILE if isinstance(kept, Contents) else CACHE_FILE), kept.encoded, make_folder)


def write(file: Path, content: Callable[[], bytes], make_folder: bool) -> None:
    """Write a whole file in the place of what was there, where there is a folder for it or one may be made."""
    folder = file.parent
    try:
        if make_folder and not folder.is_dir():
            folder.mkdir()
            (folder / ".gitignore").write_text("*\n")  # what is kept beside a project belongs into no repository
        if folder.is_dir():
            new = file.with_suffix(".new")
            new.write_bytes(content())
            new.replace(file)
    except OSError:
        return
