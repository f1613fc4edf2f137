"""A mapping whose values are made when somebody asks for them, each once."""

from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

Given = TypeVar("Given")
Value = TypeVar("Value")


class Lazily(Mapping[str, Value]):
    """What `make` gives for each of the `given`, by name."""

    def __init__(self, given: Mapping[str, Given], make: Callable[[Given], Value]) -> None:
        self._make = {name: (lambda one=one: make(one)) for name, one in given.items()}
        self._made: dict[str, Value] = {}

    def __getitem__(self, name: str) -> Value:
        if name not in self._made:
            self._made[name] = self._make[name]()
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._make)

    def __len__(self) -> int:
        return len(self._make)
