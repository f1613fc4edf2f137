"""What the target shows, as far as a plan needs to know it."""

from collections.abc import Mapping

from msgspec import Struct, field

from sqlflow.core.errors import Problem
from sqlflow.core.names import TableName
from sqlflow.core.spans import Span
from sqlflow.plan.recipes import NO_ENTRIES, Entries
from sqlflow.plan.versions import DEFINITIONS, SERVER


class Slice(Struct, frozen=True, order=True):
    """A span of time of a block, and the part in the state schema that holds its rows."""

    span: Span
    part: str


class Part(Struct, frozen=True):
    """The rows of a span of time of a block, which no version shows: the run that has built it was cut off."""

    relation: TableName
    key: str


class Made(Struct, frozen=True):
    """What a version that is there was made from: its key, the block's own part of it, and the keys of its inputs."""

    relation: TableName
    key: str
    code: str
    inputs: Mapping[str, str]
    slices: tuple[Slice, ...] = ()
    """Of a block of time ranges: the intervals that are finished, in order, and where their rows are."""


class Current(Struct, frozen=True):
    """What an environment shows now: the relation behind each published block. Empty where that is not known.

    `made` are the versions that are there, `entries` say how they were made, and `checked` are the keys of assertions
    that have passed.
    """

    published: Mapping[TableName, TableName]
    problems: tuple[Problem, ...] = ()
    is_known: bool = True
    made: tuple[Made, ...] = ()
    checked: frozenset[str] = frozenset()
    entries: Entries = NO_ENTRIES
    sources: Mapping[TableName, str] = field(default_factory=dict)
    """The versions of the tables that sqlflow did not make; those that are not here are not known."""
    readers: Mapping[TableName, tuple[TableName, ...]] = field(default_factory=dict)
    """The views of others that read a published relation."""
    borrowed: frozenset[TableName] = frozenset()
    """Those of the published blocks that the environment does not show yet: they are read as `prod` shows them."""
    server: str = ""
    """The version of the target's server; empty where it has none of its own."""
    definitions: str = ""
    """The version of what the target defines itself, see `Connection.definitions`."""
    parts: tuple[Part, ...] = ()
    lost: frozenset[TableName] = frozenset()
    """What is published and whose rows may be gone: it takes no part in `published`."""


NOTHING_KNOWN = Current({}, is_known=False)


def around(current: Current) -> dict[str, str]:
    """Return the versions of what in a target may give every query another result."""
    found = {SERVER: current.server, DEFINITIONS: current.definitions}
    return {what: version for what, version in found.items() if version}
