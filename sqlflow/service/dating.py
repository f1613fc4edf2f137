"""How old the data is in each place where pipelines build: `python -m sqlflow.service.dating FOLDER`, a process that prints it as JSON.

A place is a target and an environment. Of each it tells what `sqlflow freshness` tells there, and of one that cannot be asked why.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from sqlflow.app import Project
from sqlflow.core import block as nouns
from sqlflow.core.errors import BusyError, ProjectError, SqlflowError
from sqlflow.core.pipeline import Pipeline
from sqlflow.core.secrets import masked
from sqlflow.plan.graph import Graph
from sqlflow.plan.pipelines import Resolved, resolved
from sqlflow.read.pipelines import read_pipelines
from sqlflow.run.freshness import Freshness


def dated(root: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return what says `fresh_within`, in each place where a pipeline of a project builds, and the places that could not be asked."""
    pipelines = read_pipelines(root, problems=[])
    places: dict[tuple[str | None, str], str] = {}
    for pipeline in pipelines.values():
        places.setdefault((pipeline.target, pipeline.environment), pipeline.name)
    found: dict[tuple[str, ...], dict[str, Any]] = {}
    failed = []
    for (target, environment), name in places.items():
        flags = (f" --target {target}" if target else "") + (f" --env {environment}" if environment != "prod" else "")
        try:
            project = Project.load(root, pipeline=name)
            if not _is_dated(project.loaded):
                continue
            users = tuple(_fitting(project.graph, pipelines))
            for one in replace(project, pipeline=None).freshness(users=users):
                told = _told(one, environment, flags)
                found.setdefault((told["kind"], told["target"], told["environment"], told["name"]), told)
        except SqlflowError as error:
            is_busy = isinstance(error, BusyError)
            failed.append({"flags": flags, "error": masked(str(error)).split("\n")[0], "is_busy": is_busy})
    return list(found.values()), failed


def _is_dated(project: nouns.Project) -> bool:
    """Tell whether anything of a project says `fresh_within`."""
    blocks = (block.config.fresh_within for block in project.blocks.values())
    sources = (source.fresh_within for source in project.sources.values())
    return any(within is not None for within in (*blocks, *sources))


def _fitting(graph: Graph, pipelines: Mapping[str, Pipeline]) -> Iterator[Resolved]:
    """Yield the pipelines that can be built: what is wrong with the others is told elsewhere."""
    for one in pipelines.values():
        try:
            yield from resolved(graph, (one,))
        except ProjectError:
            continue


def _told(found: Freshness, environment: str, flags: str) -> dict[str, Any]:
    """Return it as plain data. A source is the same in all environments of its target."""
    return {
        "name": str(found.name), "kind": found.kind, "target": found.target,
        "environment": environment if found.kind == "block" else "", "within": found.within, "status": found.status,
        "newest": found.newest.isoformat() if found.newest else None, "reason": masked(found.reason),
        "pipelines": list(found.pipelines), "flags": flags,
    }  # fmt: skip


def main(folder: str) -> int:
    """Print how old the data of the project in a folder is, and return the exit code."""
    found, failed = dated(Path(folder))
    print(json.dumps({"found": found, "failed": failed}))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
