"""How a plan is executed."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Options:
    """What the caller of a run decides, beside what is in the project."""

    threads: int = 4
    publish: Literal["all", "passing"] = "all"
    fail_fast: bool = False
    prune: bool = False
    adopt: bool = False
    cascade: bool = False
    timeout: float | None = None
    """How many seconds the run may take; then it is stopped, and nothing is published."""
