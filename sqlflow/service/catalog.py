"""The pipelines as their files say, which are the only truth: what is saved is loaded, what is broken stays as it was."""

import os
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct, field

from sqlflow.core.errors import Problem, ProjectError
from sqlflow.core.pipeline import Pipeline
from sqlflow.read.config import PROJECT_FILE, project_config
from sqlflow.read.notifications import Notification, notifications, unknown_notices
from sqlflow.read.pipelines import FOLDER, pipeline_files, read_pipelines
from sqlflow.service.queue import Limits

DEFAULT_KEEP = 90 * 86400.0


class Loaded(Struct, frozen=True):
    """What the files say now: each pipeline as it was last good, and the faults of the files that are not."""

    pipelines: Mapping[str, Pipeline] = field(default_factory=dict)
    faults: tuple[Problem, ...] = ()
    limits: Limits = field(default_factory=Limits)
    keep: float = DEFAULT_KEEP
    """Seconds for which runs stay in the history."""
    notifications: Mapping[str, Notification] = field(default_factory=dict)


def loaded(root: Path, before: Loaded | None = None) -> Loaded:
    """Return what the files of a project say, with what was good `before` in place of what is broken."""
    before = before or Loaded()
    problems: list[Problem] = []
    limits, keep, targets = before.limits, before.keep, before.notifications
    try:
        config = project_config(root)
        service = config.service
        limits, keep = Limits(service.runs, service.threads, dict(config.pools)), service.keep
        targets = notifications(config, os.environ, problems)
    except ProjectError as error:
        problems += error.problems
    found = read_pipelines(root, problems=problems)
    problems += unknown_notices(found.values(), targets)
    broken = {problem.place.path for problem in problems if problem.place}
    there = set(pipeline_files(root, []))
    kept = {
        name: pipeline
        for name, pipeline in before.pipelines.items()
        if pipeline.path in broken and pipeline.path in there
    }
    good = {name: pipeline for name, pipeline in found.items() if pipeline.path not in broken}
    return Loaded(dict(sorted({**kept, **good}.items())), tuple(problems), limits, keep, targets)


def fingerprint(root: Path) -> tuple[tuple[str, int, int], ...]:
    """Return what changes when a file does that `loaded` reads: path, time and size of each."""
    found = []
    for path in [root / PROJECT_FILE, *sorted((root / FOLDER).rglob("*"))]:
        try:
            stat = path.stat()
        except OSError:
            continue
        found.append((str(path), stat.st_mtime_ns, stat.st_size))
    return tuple(found)
