"""What a user's Python file imports: marks for functions, and what a function may know beside its inputs."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar, overload

F = TypeVar("F", bound=Callable[..., Any])


@overload
def block(function: F, /) -> F: ...
@overload
def block(**settings: Any) -> Callable[[F], F]: ...
def block(function: F | None = None, /, **settings: Any) -> F | Callable[[F], F]:
    """Mark the function of a block; `settings` are the keys of front matter, with `assertions` for `assert`.

    The mark is read from the file's text, so that settings are literals. The function stays as it is.
    """
    return _marked(function)


@overload
def assertion(function: F, /) -> F: ...
@overload
def assertion(**settings: Any) -> Callable[[F], F]: ...
def assertion(function: F | None = None, /, **settings: Any) -> F | Callable[[F], F]:
    """Mark a function that checks the block of its file.

    It gets the block's rows as `output`, and inputs by name. It holds if it returns None or True or a frame without
    rows; it fails if it returns False or the rows that are wrong, or raises AssertionError.
    """
    return _marked(function)


def _marked(function: F | None) -> F | Callable[[F], F]:
    if function is not None:
        return function

    def same(function: F) -> F:
        return function

    return same


def _no_engine(sql: str, frame: type | None) -> Any:
    raise RuntimeError(
        "`context.sql()` needs a run of sqlflow; in a test, give `Context(ask=…)` a function of your own"
    )


@dataclass(frozen=True)
class Context:
    """What a function may know beside its inputs. Made by sqlflow in a run, and by you in a test.

    `seed` is a whole number that is the same for the same version. `start` and `end` bound the interval that is built,
    in UTC; they are None where all of the block is. `scratch` is an empty folder that is gone after the call.
    """

    vars: Mapping[str, Any] = field(default_factory=dict)
    target: str = "dev"
    run: str = ""
    block: str = ""
    seed: int = 0
    start: datetime | None = None
    end: datetime | None = None
    incremental: bool = False
    project: Path = Path()
    scratch: Path = Path()
    log: logging.Logger = field(default_factory=lambda: logging.getLogger("sqlflow.block"))
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    ask: Callable[[str, type | None], Any] = field(default=_no_engine, repr=False)

    def sql(self, query: str, frame: type | None = None) -> Any:
        """Return the rows of a query over the block's inputs, run by the target, as a `frame` (pandas by default).

        Tables in a query that is a literal become inputs by themselves; others must be parameters or in `depends_on`.
        """
        return self.ask(query, frame)

    def env(self, name: str, default: str | None = None) -> str:
        """Return an environment variable that the project file lists below `env:`; what is printed of it is masked.

        `name` must be a literal, since only the variables that a function names are handed to it. Raise KeyError if it is
        not set and there is no default.
        """
        value = self.secrets.get(name, default)
        if value is None:
            raise NotSet(f"the environment variable `{name}` is not set, or not listed below `env:` in sqlflow.yml")
        return value


class NotSet(KeyError):
    """An environment variable has no value. It is told without the quotes of other KeyErrors."""

    def __str__(self) -> str:
        return str(self.args[0])
