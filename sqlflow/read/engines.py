"""Which engines are installed, told by the entry points `sqlflow.engines`."""

from functools import cache

from sqlflow.core.engine import Engine
from sqlflow.core.errors import ProjectError
from sqlflow.core.text import Place
from sqlflow.read.installed import points

GROUP = "sqlflow.engines"


@cache
def engine_names() -> tuple[str, ...]:
    """Return the words that may stand behind `engine:`, sorted."""
    return tuple(sorted({point.name for point in points(GROUP)}))


@cache
def _loaded(name: str) -> Engine:
    engine: Engine = next(point for point in points(GROUP) if point.name == name).load()
    return engine


def engine(name: str, place: Place | None = None) -> Engine:
    """Return the adapter of that name. Raise ProjectError, with the installed ones, if there is none."""
    if name not in engine_names():
        listed = ", ".join(f"`{known}`" for known in engine_names())
        raise ProjectError(f"there is no engine `{name}`; installed: {listed}", place)
    return _loaded(name)
