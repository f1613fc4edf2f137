"""Where printed text goes: one door, so that no secret gets past it."""

import errno
import os
import sys

import click

_SECRET_LETTERS_AT_LEAST = 4
_NOBODY_READS = (errno.EPIPE, errno.EIO)
"""A pipe whose reader has ended, and a terminal that was closed."""
_hidden: set[str] = set()
"""The secrets of this process. The one piece of global state: every message must pass it, also one of a crash."""


def hide(secrets: frozenset[str]) -> None:
    """Mask these values from now on. Very short ones are not masked: they would hide half of every text."""
    _hidden.update(secret for secret in secrets if len(secret) >= _SECRET_LETTERS_AT_LEAST)


def masked(text: str) -> str:
    """Return the text with `***` in place of every secret."""
    for secret in sorted(_hidden, key=len, reverse=True):
        text = text.replace(secret, "***")
    return text


def echo(text: str, err: bool = False) -> None:
    """Print a line to stdout, or to stderr. Work goes on when nobody reads any more, as behind `| head`."""
    try:
        click.echo(masked(text), err=err)
    except OSError as error:
        if error.errno not in _NOBODY_READS:
            raise
        stream = sys.stderr if err else sys.stdout
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
