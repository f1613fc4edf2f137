"""`sqlflow gc`"""

from collections.abc import Callable

import click

from sqlflow.cli.options import Place, lock_timeout_option, project_options


@click.command("gc")
@lock_timeout_option
@project_options
def command(lock_timeout: float, place: Place) -> None:
    """Drop the versions that no environment shows and that are older than `keep`. Every build does the same."""
    drop_and_tell(place.load().gc, lock_timeout, "nothing is older than `keep`")


def drop_and_tell(drop: Callable[..., tuple[str, ...]], lock_timeout: float, nothing: str) -> None:
    """Let versions be dropped, and say how many they were, or `nothing`."""
    from sqlflow.cli.output import echo
    from sqlflow.cli.terminal import listening
    from sqlflow.core.words import count

    with listening(quiet=False) as listener:
        gone = drop(lock_timeout=lock_timeout, listener=listener)
    echo(f"dropped {count(len(gone), 'version')}" if gone else nothing)
