"""`sqlflow debug`"""

import platform
import sys
from importlib.metadata import entry_points, version
from pathlib import Path
from typing import Any

import click

from sqlflow.cli.options import Place, project_options


@click.command("debug")
@project_options
def command(place: Place) -> None:
    """Check the installation, the project's files, and the connection of every target, or of one."""
    import sqlflow
    from sqlflow.cli.output import echo
    from sqlflow.core.errors import SqlflowError
    from sqlflow.read.engines import GROUP

    echo(f"sqlflow {sqlflow.__version__}, Python {platform.python_version()}, sqlglot {version('sqlglot')}")
    for point in entry_points(group=GROUP):
        distribution = f"{point.dist.name} {point.dist.version}" if point.dist else "unknown"
        echo(f"engine {point.name}: {point.value} from {distribution}")
    folder = str(Path(place.project_dir).resolve())
    code = 0
    for name in [place.target] if place.target else _targets(place.project_dir):
        try:
            echo_line = _checked(place._replace(target=name, project_dir=folder))
        except SqlflowError as error:
            code = code or error.exit_code
            echo_line = f"target {name or 'default'}: failed\n{error}"
        echo(echo_line)
    sys.exit(code)


def _targets(project_dir: str) -> list[str | None]:
    """Return the names below `targets:`, the project's default alone where that cannot be told."""
    from sqlflow.core.errors import SqlflowError
    from sqlflow.read.config import project_file
    from sqlflow.read.yaml import parse

    try:
        source = project_file(Path(project_dir))
        node: Any = parse(source) if source else None
    except SqlflowError:
        return [None]
    targets = node.get("targets") if node is not None and node.kind == "mapping" else None
    return [key.text for key, _ in targets.pairs] if targets is not None and targets.pairs else [None]


def _checked(place: Place) -> str:
    from sqlflow.core.words import count

    project = place.load()
    blocks = count(len(project.graph.order), "block")
    project.check_connection()
    target = project.loaded.target
    return f"target {target.name} ({target.engine.name}): connected; the project has {blocks}"
