"""Files for `sqlflow new block` and `sqlflow new pipeline`: each runs as it is."""

import re
from pathlib import Path, PurePosixPath

from sqlflow.core.errors import UsageError, did_you_mean

_FOLDER = Path(__file__).parent / "templates"
BLOCKS = {
    "staging": "clean names and types",
    "dedupe": "the latest row of each key",
    "incremental": "new rows added to those that are there",
    "snapshot": "what was so, and from when to when",
    "aggregate": "sums by day",
    "pivot": "one column for each value",
    "date-spine": "one row per day, without a gap",
    "csv": "a seed",
    "api": "rows from an HTTP API, in Python",
    "python": "a model in pandas",
    "r": "statistics in R",
    "export": "a table and files",
    "sensor": "wait, then build, and try again",
}
PIPELINES = {
    "nightly": "a schedule, with retries",
    "frequent": "every quarter of an hour",
    "files": "when files come",
    "webhook": "when a signed request comes",
}


def files_of(kind: str, name: str, template: str) -> dict[str, str]:
    """Return the texts of the files that a template makes, by path in the project.

    Raise UsageError if there is no such template, or for what cannot be the name of a file.
    """
    known = BLOCKS if kind == "block" else PIPELINES
    if template not in known:
        hint = did_you_mean(template, known) or "there are " + ", ".join(f"`{one}`" for one in known)
        raise UsageError(f"there is no template `{template}` of a {kind}", hint=hint)
    if not re.fullmatch(r"[A-Za-z_][\w-]*(\.[A-Za-z_]\w*)?", name) or (kind == "pipeline" and "." in name):
        hint = "such as `nightly`" if kind == "pipeline" else "such as `marts.revenue`, or `revenue`"
        raise UsageError(f"`{name}` cannot be the name of a {kind}", hint=hint)
    return {
        str(_place(kind, name, file)): file.read_text(encoding="utf-8")
        for file in sorted((_FOLDER / kind).glob(f"{template}.*.txt"))
    }


def _place(kind: str, name: str, file: Path) -> PurePosixPath:
    """Return where a file of a template goes: its last suffix but `.txt` is that of the file that is made."""
    suffix = Path(file.stem).suffix
    if kind == "pipeline":
        return PurePosixPath("pipelines", f"{name}{suffix}")
    schema, _, own = name.rpartition(".")
    folder = "seeds" if file.name.startswith("csv.") else "blocks"
    return PurePosixPath(folder, schema, f"{own}{suffix}")
