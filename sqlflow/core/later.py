"""Modules that are imported when something of them is first asked for: a command starts faster without the others' code."""

from importlib import import_module
from types import ModuleType
from typing import Any


class _Later(ModuleType):
    """Stands for the module of its name."""

    def __getattr__(self, name: str) -> Any:
        found = getattr(import_module(self.__name__), name)
        setattr(self, name, found)
        return found


def later(package: str, *names: str) -> tuple[ModuleType, ...]:
    """Return what stands for modules of a package. Type checkers are shown the modules: `if TYPE_CHECKING: from … import …`."""
    return tuple(_Later(f"{package}.{name}") for name in names)
