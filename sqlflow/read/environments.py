"""A project as it is published in one environment."""

from msgspec.structs import replace

from sqlflow.core.block import Project
from sqlflow.core.environment import Environment
from sqlflow.core.errors import Problem, ProjectError
from sqlflow.core.text import Place
from sqlflow.read.blocks import NAME_BYTES_AT_MOST


def published_in(project: Project, environment: Environment) -> Project:
    """Return the project as one that is published in `environment`.

    Raise ProjectError for schemas whose name would be longer there than an engine keeps it.
    """
    first = {environment.relation(block.name).schema: block for block in reversed([*project.blocks.values()])}
    long = [(schema, block) for schema, block in first.items() if len(schema.encode()) > NAME_BYTES_AT_MOST]
    if long:
        raise ProjectError(
            Problem(
                f"the schema `{schema}` would be {len(schema.encode())} bytes long: at most {NAME_BYTES_AT_MOST} bytes",
                Place(block.source.path), f"give the environment a shorter name than `{environment.name}`",
            )
            for schema, block in sorted(long, key=lambda item: item[0])
        )  # fmt: skip
    return replace(project, environment=environment)
