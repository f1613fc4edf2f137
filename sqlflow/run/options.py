"""How a plan is executed."""

from typing import Literal

from msgspec import Struct


class Options(Struct, frozen=True):
    """What the caller of a run decides, beside what is in the project."""

    threads: int = 4
    publish: Literal["all", "passing"] = "all"
    fail_fast: bool = False
    prune: bool = False
    adopt: bool = False
    cascade: bool = False
    timeout: float | None = None
    """How many seconds the run may take; then it is stopped, and nothing is published."""
