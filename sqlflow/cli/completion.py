"""Names of blocks and pipelines for the shell, told by file names alone: no file is read, so that it is quick."""

import os
from collections.abc import Iterator
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


def _names(folder: Path) -> Iterator[str]:
    """Yield the names that files have: the first folder and the file, whatever lies between them."""
    for inside, _, files in os.walk(folder):
        schema = (*Path(inside).relative_to(folder).parts, "")[0]
        for file in files:
            name, dot, suffix = file.rpartition(".")
            if dot + suffix in SUFFIXES:
                yield (f"{schema}.{name}" if schema else name).lower()
