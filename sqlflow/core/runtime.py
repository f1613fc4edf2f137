"""The contract of a runtime adapter: what reads a file of functions, and runs them in processes of their own.

An adapter is a module-level object named in the entry points `sqlflow.runtimes`. Reading never runs what it reads.
A function runs in a process that can be killed; what goes in and comes out are streams of Arrow batches.
"""

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from msgspec import Struct

from sqlflow.core.errors import Problem
from sqlflow.core.node import Node
from sqlflow.core.text import SourceFile

if TYPE_CHECKING:
    import pyarrow as pa

ParseYaml = Callable[[SourceFile, int, int | None], Node | None]
"""Returns the YAML document between two offsets of a file. Raises ProjectError."""
OUTPUT = "output"
"""The parameter of an assertion that gets the block's rows."""
CONTEXT = "context"
"""The parameter that gets what a function may know beside its inputs."""
LEVELS = b"sqlflow.levels"
"""Metadata of a column of text of which no other values can be: all of them, in their order, as a JSON list."""
LEVELS_AT_MOST = 1000
"""A column with more levels is told as text: they would be a part of its type, which people read."""


def levels_of(values: Sequence[str | None]) -> dict[bytes, bytes] | None:
    """Return the metadata of a column with these levels; None where they cannot be those of a type."""
    if not 0 < len(values) <= LEVELS_AT_MOST or None in values or len(set(values)) < len(values):
        return None
    return {LEVELS: json.dumps(values).encode()}


class Argument(Struct, frozen=True):
    """A parameter that takes a table, as `name` says or `inputs` of the settings; `start` to `end` is its place.

    `frame` is the runtime's own word for the form in which the function gets its rows.
    """

    name: str
    frame: str
    start: int
    end: int


class Asked(Struct, frozen=True):
    """SQL that a function gives to `context.sql()` as a literal: `text` as it is, and where it stands.

    `exact` tells whether each character of `text` is one of the file's, so that an error can point into it.
    """

    text: str
    start: int
    end: int
    exact: bool = True


class Declared(Struct, frozen=True):
    """A function as its file declares it, read without running it. Offsets are those of the file's text.

    `settings` is its front matter. `arguments` are the parameters without a default, but for `output` and `context`;
    `options` those with one, and its value (None where it is no literal). `env` are the names that it asks
    `context.env()` for. `code` is a hash of all in the file that shapes what the function gives.
    """

    name: str
    start: int
    end: int
    settings: Node | None = None
    arguments: tuple[Argument, ...] = ()
    options: tuple[tuple[str, Any], ...] = ()
    output: Argument | None = None
    takes_context: bool = False
    asked: tuple[Asked, ...] = ()
    env: tuple[str, ...] = ()
    code: str = ""
    volatile: str = ""
    """Why the same inputs may give other rows; empty if nothing says so."""


class FunctionFile(Struct, frozen=True):
    """What a file declares: its one block, and the assertions on it. `modules` are the project's files it imports."""

    block: Declared
    assertions: tuple[Declared, ...] = ()
    modules: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    """The packages that it names, and those of its modules: their versions belong to the block's identity."""
    imports: tuple[str, ...] = ()
    """The names among them that may be those of files and folders in the project's folder."""


class Surroundings(Struct, frozen=True):
    """What a function may know of the run that it is in."""

    block: str
    target: str
    run: str
    seed: int
    vars: Mapping[str, Any]
    env: Mapping[str, str]
    start: datetime | None = None
    end: datetime | None = None
    incremental: bool = False


class Call(Struct, frozen=True):
    """One call of a function. `values` are those of its options that the project sets.

    `scratch` is an empty folder that is there as long as the call; `memory_bytes` is how much the process may take.
    """

    function: Declared
    source: SourceFile
    root: Path
    scratch: Path
    values: Mapping[str, Any]
    surroundings: Surroundings
    memory_bytes: int | None = None


class Verdict(Struct, frozen=True):
    """What an assertion function says: how many rows fail, some of them, or its own words."""

    failing: int = 0
    message: str = ""
    columns: tuple[str, ...] = ()
    sample: tuple[tuple[Any, ...], ...] = ()
    problem: Problem | None = None
    """What kept it from saying anything, or the assertion that did not hold, at its place."""


Inputs = Iterator[tuple[str, "pa.RecordBatchReader"]]
"""The rows of each table parameter, one after the other: each is read to its end before the next is taken."""
Ask = Callable[[str], AbstractContextManager["pa.RecordBatchReader"]]
"""Runs SQL of `context.sql()`. Raises BuildError."""
Say = Callable[[str], None]
"""Takes a line that the function printed."""


class Worker(Protocol):
    """A process that runs one function after the other; used by one thread at a time."""

    def run(self, call: Call, inputs: Inputs, ask: Ask, say: Say) -> "AbstractContextManager[pa.RecordBatchReader]":
        """Call a block's function; what it gives is read inside of the `with`, at whose end the call has ended.

        Raise BuildError, at the place in the user's file, for whatever the function does wrong, also in the middle of
        reading: then the `with` raises it in place of what the reader raised.
        """

    def check(self, call: Call, inputs: Inputs, ask: Ask, say: Say) -> Verdict:
        """Call an assertion's function and return what it says. Raise BuildError if it cannot be called."""

    def interrupt(self) -> None:
        """Kill the process and all that it has started; may be called from another thread. `run` then raises."""

    @property
    def is_alive(self) -> bool:
        """Tell whether the process can take another call."""

    @property
    def reached(self) -> str:
        """Return, as "opens `a.csv`", what the last call has reached outside of its inputs, as far as the runtime notices."""

    def close(self) -> None:
        """End the process and all that it has started."""


class Runtime(Protocol):
    """What an adapter offers before anything runs."""

    name: str
    """The block's kind: `python`, `r`."""
    suffix: str
    """How its files end, with the dot."""

    def read(self, source: SourceFile, parse: ParseYaml, modules: Mapping[str, SourceFile]) -> FunctionFile | None:
        """Return what a file declares; None for a file that is meant to hold no block.

        `modules` are the files of the project's `lib/` of this runtime. Raise ProjectError with all that is wrong.
        """

    def missing(
        self, functions: Collection[Declared], packages: Collection[str], requirements: Collection[str]
    ) -> tuple[Problem, ...]:
        """Return what is not installed of what the functions need: the interpreter, frames, requirements.

        `packages` are those that their files name; a runtime whose code may do without them does not ask for them.

        A problem has no place yet. An odd requirement is a problem too.
        """

    def version(self, packages: Collection[str]) -> str:
        """Return the versions of the interpreter and of packages, as far as they can be told without running it."""

    def start(self) -> Worker:
        """Start a process. Raise TargetError if the interpreter cannot be started."""
