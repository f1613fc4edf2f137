"""`sqlflow env`"""

import click

from sqlflow.cli import stopping
from sqlflow.cli.options import Place, json_option, lock_timeout_option, project_options


@click.group("env")
def command() -> None:
    """List environments, or drop one."""


@command.command("list")
@json_option
@project_options
def list_(output: str, place: Place) -> None:
    """List the environments that show something: how much of it `prod` does not show, and who published last."""
    from sqlflow.cli import as_json
    from sqlflow.cli.output import echo
    from sqlflow.cli.text import table

    found = place.load().environments()
    if output == "json":
        for environment in found:
            echo(as_json.text(as_json.plain(environment)))
        return
    if not found:
        echo("nothing has been published yet")
        return
    rows = [(one.name, one.relations, one.own, f"{str(one.published_at)[:19]} UTC", one.run) for one in found]
    echo(table(("environment", "relations", "not in prod", "published", "run"), rows))


@command.command("drop")
@click.argument("name")
@lock_timeout_option
@project_options
def drop(name: str, lock_timeout: float, place: Place) -> None:
    """Drop all that the environment NAME shows, in one transaction. Other environments keep what they show."""
    from sqlflow.cli.output import echo
    from sqlflow.cli.terminal import listening
    from sqlflow.core.words import count

    project = place.load()
    with stopping.to_the_end():  # but while it waits
        with listening(quiet=False) as listener:
            gone = project.drop_environment(name, lock_timeout=lock_timeout, listener=listener)
        echo(f"dropped the environment `{name}`: {count(len(gone), 'relation')}")
