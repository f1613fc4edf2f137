"""Where printed text goes: one door, so that no secret gets past it."""

import errno
import os
import sys

import click

from sqlflow.core.secrets import masked

_NOBODY_READS = (errno.EPIPE, errno.EIO)
"""A pipe whose reader has ended, and a terminal that was closed."""


def echo(text: str, err: bool = False) -> None:
    """Print a line to stdout, or to stderr. Work goes on when nobody reads any more, as behind `| head`."""
    try:
        click.echo(masked(text), err=err)
    except OSError as error:
        if error.errno not in _NOBODY_READS:
            raise
        stream = sys.stderr if err else sys.stdout
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
