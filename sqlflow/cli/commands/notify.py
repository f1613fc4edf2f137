"""`sqlflow notify`"""

import click

from sqlflow.cli.history import Folder, folder_options


@click.command("notify")
@click.argument("name")
@click.option("--message", default="This is a test.", metavar="TEXT", help="What is sent.  [default: This is a test.]")
@folder_options
def command(name: str, message: str, folder: Folder) -> None:
    """Send a message to NAME, one of the project's `notifications`, to see whether it arrives."""
    import os

    from sqlflow.cli.output import echo
    from sqlflow.core.errors import Problem, ProjectError, TargetError, UsageError, did_you_mean
    from sqlflow.read.config import project_config
    from sqlflow.read.notifications import notifications
    from sqlflow.service.installed import needed
    from sqlflow.service.messages import Message
    from sqlflow.service.sending import sent

    needed("sqlflow notify")
    problems: list[Problem] = []
    config = project_config(folder.root)
    known = notifications(config, os.environ, problems)
    if problems:
        raise ProjectError(problems)
    if name not in known:
        hint = did_you_mean(name, known) or "`notifications` in `sqlflow.yml` names them"
        raise UsageError(f"there is no notification `{name}`", hint=hint)
    if known[name].fault:
        raise UsageError(f"`{name}` has no URL: {known[name].fault}")
    for number, url in enumerate(known[name].urls, 1):
        error = sent(url, Message(f"{config.name}: a message to {name}", message))
        if error:
            hint = "the URL of a service is written as Apprise has it; `sqlflow.yml` holds it"
            raise TargetError(f"URL {number} of `{name}` could not be told: {error}", hint=hint)
    echo(f"told `{name}`")
