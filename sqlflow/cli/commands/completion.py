"""`sqlflow completion`"""

import click


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print the script that completes commands, options and block names in a SHELL.

    For bash: eval "$(sqlflow completion bash)" in ~/.bashrc
    """
    from click.shell_completion import get_completion_class

    from sqlflow.cli.main import cli

    found = get_completion_class(shell)
    assert found is not None
    click.echo(found(cli, {}, "sqlflow", "_SQLFLOW_COMPLETE").source())
