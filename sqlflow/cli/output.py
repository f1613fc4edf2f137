"""Where printed text goes: one place, so that no secret gets past it."""

from collections.abc import Callable

import click


def echo_of(secrets: frozenset[str]) -> Callable[[str], None]:
    """Return what prints a text with every secret in it masked."""
    hidden = sorted((secret for secret in secrets if len(secret) > 1), key=len, reverse=True)

    def echo(text: str) -> None:
        for secret in hidden:
            text = text.replace(secret, "***")
        click.echo(text)

    return echo
