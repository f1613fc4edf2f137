"""What keeps pipelines from being built: words that name no block, pools that are too small, targets that are not there.

It takes the whole project to know it, and the service itself reads no block: `python -m sqlflow.service.fitting FOLDER`, a process
of its own, prints the problems as JSON. Whoever asks for a run anyway gets one that fails with the same words.
"""

import sys
from collections.abc import Iterable
from pathlib import Path

import msgspec

from sqlflow.app import Project
from sqlflow.core.errors import Problem, ProjectError, UsageError
from sqlflow.core.pipeline import Pipeline
from sqlflow.plan.pipelines import resolved
from sqlflow.read.config import no_such_target, project_config
from sqlflow.read.pipelines import read_pipelines
from sqlflow.service.questions import answered


def misfits(root: Path) -> tuple[Problem, ...]:
    """Return what keeps the pipelines of a project from being built, by target and place, each once.

    Faults of the project itself are among them; those of pipelines' own files are not. Raise TargetError, or StateError, for a
    project that cannot be looked at.
    """
    problems: list[Problem] = []
    try:
        known = project_config(root).targets
        by_target: dict[str | None, list[Pipeline]] = {}
        for one in read_pipelines(root, problems=[]).values():
            if one.target and known and one.target not in known:
                problems.append(no_such_target(one.target, known, one.place("target")))
            else:
                by_target.setdefault(one.target, []).append(one)
    except ProjectError as error:
        return tuple(error.problems)
    for pipelines in by_target.values():
        problems += _in_target(root, pipelines)
    return tuple(dict.fromkeys(problems))


def _in_target(root: Path, pipelines: list[Pipeline]) -> Iterable[Problem]:
    """Return what is wrong with pipelines of one target, in whose project they are looked at with the vars of the first."""
    try:
        resolved(Project.load(root, pipeline=pipelines[0].name).graph, pipelines)
    except (ProjectError, UsageError) as error:
        return error.problems
    return ()


def main(folder: str) -> int:
    """Print the misfits of the project in a folder, and return the exit code."""
    return answered(lambda: msgspec.json.encode(misfits(Path(folder))).decode())


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
