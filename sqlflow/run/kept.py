"""What was read of the project's files the last time, kept in its folder, so that the next load reads what has changed alone."""

from pathlib import Path

from sqlflow.read.cache import LoadCache

CACHE_FILE = Path(".sqlflow/loaded.bin")


def kept_of(root: Path) -> LoadCache:
    """Return what was kept of the last load; nothing where there is none, or where it cannot be read."""
    try:
        return LoadCache.decoded((root / CACHE_FILE).read_bytes())
    except OSError:
        return LoadCache()


def keep(root: Path, cache: LoadCache, make_folder: bool = False) -> None:
    """Write what was loaded for the next time: loading alone makes no folder for it, building does."""
    file = root / CACHE_FILE
    if not cache.is_changed:
        return
    try:
        if make_folder and not file.parent.is_dir():
            file.parent.mkdir()
            (file.parent / ".gitignore").write_text("*\n")
        if file.parent.is_dir():
            new = file.with_suffix(".new")
            new.write_bytes(cache.encoded())
            new.replace(file)
    except OSError:
        return
