"""What an endpoint is: the one table of them routes requests, checks what they say, and is the OpenAPI document."""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Literal, Protocol

from msgspec import Struct, field

from sqlflow.core.errors import Problem
from sqlflow.core.pipeline import Pipeline
from sqlflow.service.history import History
from sqlflow.service.http.problems import Refused
from sqlflow.service.http.rules import Head
from sqlflow.service.nouns import DataAges, Tick
from sqlflow.service.ticks import AskedRun

Schema = Mapping[str, Any]
LIMIT_AT_MOST = 1000
_TIME = r"^[0-9]{4}-(0[1-9]|1[0-2])-[0-9]{2}T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,6})?(Z|[+-](0[0-9]|1[0-4]):[0-5][0-9])$"


class Served(Protocol):
    """What the API needs of the service that it tells of."""

    @property
    def history(self) -> History: ...

    def pipelines(self) -> Mapping[str, Pipeline]:
        """Return the last good state of each pipeline, by name."""

    def faults(self) -> tuple[Problem, ...]:
        """Return what is wrong in the project's files, of which the last good state is used."""

    def next_ticks(self) -> dict[str, datetime]:
        """Return when the schedule of each pipeline that has one comes next, also where it is paused."""

    def ages(self) -> DataAges:
        """Return how old the data was when it was last asked."""

    def triggered(self, pipeline: str, asked: AskedRun) -> Tick | None:
        """Let a trigger from outside fire, and return its record; None if its key has one."""


class Parameter(Struct, frozen=True):
    """A value in the path or the query. `schema` is JSON Schema, of which texts are checked by `pattern` and `enum`."""

    name: str
    description: str
    schema: Schema
    place: Literal["path", "query"] = "query"

    def read(self, texts: list[str]) -> Any:
        """Return the value that was sent. Raise Refused if it is none: 404 in a path, 400 in the query."""
        kind = self.schema["type"]
        if kind == "array":
            if len(texts) > self.schema["maxItems"]:
                raise Refused(400, f"`{self.name}` may be sent {self.schema['maxItems']} times")
            return tuple(self._one(text, self.schema["items"]) for text in texts)
        if len(texts) > 1:
            raise Refused(400, f"`{self.name}` may be sent once")
        return self._one(texts[0], self.schema)

    def _one(self, text: str, schema: Schema) -> Any:
        if schema["type"] == "integer":
            return self._integer(text, schema)
        if "enum" in schema and text not in schema["enum"]:
            raise self._refused("one of " + ", ".join(schema["enum"]))
        if "pattern" in schema and not re.fullmatch(schema["pattern"].removeprefix("^").removesuffix("$"), text):
            raise self._refused(schema.get("description", "of its form"))
        if schema.get("format") == "date-time":
            try:
                return datetime.fromisoformat(text)
            except ValueError:
                raise self._refused("a time with its offset, such as 2026-01-31T05:00:00Z") from None
        return text

    def _integer(self, text: str, schema: Schema) -> int:
        least, most = schema["minimum"], schema["maximum"]
        if not re.fullmatch(r"-?[0-9]{1,19}", text, re.ASCII) or not least <= int(text) <= most:
            raise self._refused(f"an integer from {least} to {most}")
        return int(text)

    def _refused(self, form: str) -> Refused:
        if self.place == "path":
            return Refused(404, f"there is no such {self.name}")
        return Refused(400, f"`{self.name}` must be {form}")


def integer(name: str, description: str, least: int, most: int, default: int) -> Parameter:
    schema = {"type": "integer", "minimum": least, "maximum": most, "default": default}
    return Parameter(name, description, schema)


def moment(name: str, description: str) -> Parameter:
    said = "a time with its offset, such as 2026-01-31T05:00:00Z"
    return Parameter(
        name, description, {"type": "string", "format": "date-time", "pattern": _TIME, "description": said}
    )


LIMIT = integer("limit", "How many to give at most.", 1, LIMIT_AT_MOST, 50)
NO_SCHEMA: Schema = {}


class Call(Struct, frozen=True):
    """One request, read and checked. `values` are its parameters by name, with defaults; `body` is the JSON it sent."""

    service: Served
    values: Mapping[str, Any]
    body: Any
    raw: bytes
    head: Head
    by: str
    now: datetime


class Endpoint(Struct, frozen=True):
    """`answer` is called in a thread. `statuses` are those that it may answer, beside the ones that all endpoints may."""

    method: Literal["GET", "POST"]
    path: str
    name: str
    summary: str
    answer: Callable[[Call], Any]
    schema: str
    """The name of what it answers, among the schemas of the document."""
    status: int = 200
    parameters: tuple[Parameter, ...] = ()
    body: Schema = field(default_factory=dict)
    needs_body: bool = False
    refusals: tuple[int, ...] = ()
    is_signed: bool = False

    def values(self, path: Mapping[str, str], query: list[tuple[str, str]]) -> dict[str, Any]:
        """Return the values of all parameters. Raise Refused for one that is wrong, and for names that are not known."""
        known = {parameter.name: parameter for parameter in self.parameters}
        sent: dict[str, list[str]] = {name: [text] for name, text in path.items()}
        for name, text in query:
            if name not in known or known[name].place != "query":
                raise Refused(400, f"there is no parameter `{name}` here")
            sent.setdefault(name, []).append(text)
        return {
            name: parameter.read(sent[name]) if name in sent else parameter.schema.get("default")
            for name, parameter in known.items()
        }
