"""What engines say of their functions: each function is asked for once, and what was said is kept with the blocks that were read.

An engine's list of its functions takes longer than reading a file.
"""

from collections.abc import Mapping
from typing import Literal

from sqlflow.core.engine import Engine

Stability = Literal["stable", "volatile", "unknown"]
Said = Mapping[str, Mapping[str, Stability]]
"""What was said of functions, by the name and the version of the engine."""
_SAID: dict[str, dict[str, Stability]] = {}


def stability(engine: Engine, function: str) -> Stability:
    """Tell whether a function, in lower case, gives the same result for the same arguments, always."""
    said = _SAID.setdefault(f"{engine.name} {engine.version()}", {})
    if function not in said:
        said[function] = engine.stability(function)
    return said[function]


def said_so_far() -> Said:
    return _SAID


def learn(said: Said) -> None:
    """Take over what engines have said before."""
    for engine, of_functions in said.items():
        _SAID.setdefault(engine, {}).update(of_functions)
