"""A project as a pipeline wants it: its vars and target, and no more resources than it is given."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from sqlflow.core.block import Project
from sqlflow.core.pipeline import Pipeline
from sqlflow.read.cache import LoadCache
from sqlflow.read.project import load


def load_for(
    pipeline: Pipeline, root: Path, target: str | None, variables: Mapping[str, Any] | None, cache: LoadCache
) -> Project:
    """Return the project in the folder `root` for a pipeline; `target` and `variables` go before what that says.

    Raise ProjectError as `load` does; a target that is not there is told where the pipeline names it.
    """
    asked_at = None if target or not pipeline.target else pipeline.place("target")
    loaded = load(
        root, target or pipeline.target, {**pipeline.vars, **(variables or {})}, cache=cache, asked_at=asked_at
    )
    return with_resources(loaded, pipeline)


def with_resources(project: Project, pipeline: Pipeline) -> Project:
    """Return the project with the threads, the pools and the memory that a pipeline is given."""
    config = project.config
    config = msgspec.structs.replace(
        config,
        threads=pipeline.threads or config.threads,
        pools={**config.pools, **pipeline.pools},
        memory_limit=pipeline.memory_limit or config.memory_limit,
    )
    if pipeline.memory_limit is None:
        return replace(project, config=config)
    engine = project.target.engine
    target = replace(project.target, settings=engine.limited(project.target.settings, pipeline.memory_limit))
    return replace(project, config=config, target=target)


def with_pools(project: Project, pools: Mapping[str, int]) -> Project:
    """Return the project with other sizes of some pools."""
    return replace(project, config=msgspec.structs.replace(project.config, pools={**project.config.pools, **pools}))
