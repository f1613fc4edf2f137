"""Names of blocks and pipelines for the shell, told by file names alone: no file is read, so that it is quick."""

from pathlib import Path

SUFFIXES = (".sql", ".csv", ".parquet", ".json")


def block_names(project_dir: str, incomplete: str) -> list[str]:
    """Return the names that begin with what is typed; operators before a name, as in `+name`, are kept."""
    operators = incomplete[: len(incomplete) - len(incomplete.lstrip("+@0123456789"))]
    typed = incomplete[len(operators) :].lower()
    names = {name for folder in ("blocks", "seeds") for name in _names(Path(project_dir) / folder)}
    return sorted(
        operators + name for name in names if name.startswith(typed) or name.partition(".")[2].startswith(typed)
    )


def pipeline_names(project_dir: str, incomplete: str) -> list[str]:
    """Return the names of pipelines' files that begin with what is typed."""
    found = (path.stem.lower() for path in (Path(project_dir) / "pipelines").rglob("*.y*ml"))
    return sorted(name for name in found if name.startswith(incomplete.lower()))


def _names(folder: Path) -> list[str]:
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.suffix in SUFFIXES)
    return [".".join((*path.parts[:1], path.stem) if len(path.parts) > 1 else (path.stem,)).lower() for path in found]
