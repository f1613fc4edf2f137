"""Rendering in the frame of a project: the functions that templates may call, and what they read.

Jinja itself, behind `read/template.py`, is imported when the first template is compiled.
"""

import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

from msgspec import Struct, field
from msgspec.structs import replace

from sqlflow.core.block import Reads, Target
from sqlflow.core.engine import Rows
from sqlflow.core.errors import Problem, ProjectError, did_you_mean
from sqlflow.core.names import TableName, literal, quoted
from sqlflow.core.spans import Span, written
from sqlflow.core.text import MappedText, Place, SourceFile
from sqlflow.read.tags import has_tags

if TYPE_CHECKING:
    from jinja2.runtime import Macro

    from sqlflow.read.template import JinjaEnvironment

_QUERY = re.compile(r"\bquery\s*\(")
STAND_IN = "sqlflow_stand_in"
"""What a value of `query()` reads as before it has run; a table's name that holds it is no name yet."""
RunQuery = Callable[[str], Rows]


class Template(Struct, frozen=True):
    """One template of a file: its text, blank where it is not the template, and whether it calls `query()`."""

    source: SourceFile
    text: str
    start: int

    @property
    def dynamic(self) -> bool:
        return has_tags(self.text) and _QUERY.search(self.text) is not None


class _Notes(Struct):
    """What is being read while one template is rendered."""

    this: TableName | None
    run_query: RunQuery
    incremental: bool = False
    span: Span | None = None
    vars: dict[str, str] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)
    macros: set[str] = field(default_factory=set)
    refs: set[str] = field(default_factory=set)
    queries: list[str] = field(default_factory=list)

    def reads(self) -> Reads:
        return Reads(
            tuple(sorted(self.vars.items())),
            tuple(sorted(self.env.items())),
            tuple(sorted(self.macros)),
            tuple(sorted(self.refs)),
            tuple(self.queries),
        )


def _deadline() -> Callable[[], None]:
    """Return what raises TooMuch when it is called after the time that a template may take."""
    from sqlflow.read import template as jinja

    ends = time.monotonic() + jinja.SECONDS_AT_MOST

    def check() -> None:
        if time.monotonic() > ends:
            raise jinja.TooMuch(f"the template takes longer than {jinja.SECONDS_AT_MOST:.0f} s of time to render")

    return check


class Renderer:
    """Renders the templates of one project; usable from several threads."""

    def __init__(
        self,
        target: Target,
        variables: Mapping[str, Any],
        environment_values: Mapping[str, str | None],
        macro_files: Iterable[SourceFile],
        source_of: Callable[[str], SourceFile],
        dialect: str = "",
    ) -> None:
        self.dialect = dialect
        """What SQL is written in, where a block says nothing else; empty for the engine's own."""
        self._target = target
        self._variables = variables
        self._environment_values = environment_values
        self._macro_files = tuple(macro_files)
        self._source_of = source_of
        self._local = threading.local()
        self._lock = threading.Lock()
        self._jinja: JinjaEnvironment | None = None
        self._compiled: dict[tuple[str, int], Any] = {}

    def with_vars(self, variables: Mapping[str, Any]) -> "Renderer":
        """Return a renderer to which some vars have other values; the same one if there are none."""
        if not variables:
            return self
        return Renderer(
            self._target, {**self._variables, **variables}, self._environment_values, self._macro_files, self._source_of,
            self.dialect,
        )  # fmt: skip

    def render(
        self, template: Template, this: TableName | None = None, run_query: RunQuery | None = None,
        incremental: bool = False, span: Span | None = None,
    ) -> tuple[MappedText, Reads]:  # fmt: skip
        """Return the rendered text, white space around it cut off, and what was read.

        Without `run_query`, `query()` gives one row in which every column is a stand-in. `incremental` says that it is to
        give the new rows of a table that is there, and `span` of which time.
        Raise ProjectError, with the place, for whatever is wrong with the template.
        """
        if not has_tags(template.text):
            return _trimmed(MappedText.whole(template.source, template.start, len(template.text))), Reads()
        from sqlflow.read import template as jinja

        environment = self._environment()
        key = (template.source.path, template.start)
        if key not in self._compiled:
            name = f"{key[0]}#{key[1]}"
            self._compiled[key] = jinja.compiled(environment, template.source, name, template.text)
        notes = _Notes(this, run_query or _stand_in, incremental, span)
        with self._noting(notes):
            text = jinja.rendered(environment, self._compiled[key], template.source, {}, _deadline())
        return _trimmed(text), notes.reads()

    @contextmanager
    def _noting(self, notes: _Notes) -> Any:
        self._local.notes = notes
        try:
            yield
        finally:
            del self._local.notes

    @property
    def _notes(self) -> _Notes:
        notes: _Notes = self._local.notes
        return notes

    def _environment(self) -> "JinjaEnvironment":
        from sqlflow.read import template as jinja

        with self._lock:
            if self._jinja is None:
                environment = jinja.JinjaEnvironment(self._source_of)
                environment.globals |= {
                    "var": self._var, "env": self._env, "ref": self._ref, "source": _source, "query": self._query,
                    "target": {"name": self._target.name, "engine": self._target.engine.name, "schema": self._target.schema},
                }  # fmt: skip
                environment.globals |= {"this": _This(self._local), "incremental": _Incremental(self._local)}
                environment.globals |= {end: _Border(self._local, end) for end in ("start", "end")}
                environment.filters |= {"literal": literal, "identifier": _identifier}
                self._load_macros(environment)
                self._jinja = environment
            return self._jinja

    def _load_macros(self, environment: "JinjaEnvironment") -> None:
        from sqlflow.read import template as jinja

        owners: dict[str, str] = {}
        macros: dict[str, Macro] = {}

        def own(name: str, file: SourceFile) -> None:
            if name in owners:
                message = f"the macro `{name}` is defined in `{owners[name]}` already"
                raise ProjectError(message, _macro_place(file, name))
            if name in environment.globals:
                raise ProjectError(f"`{name}` is a name of sqlflow's own", _macro_place(file, name), "rename the macro")
            owners[name] = file.path
            environment.globals[name] = self._noted(name, macros)

        compiled = [jinja.compiled(environment, file, file.path, file.text) for file in self._macro_files]
        for file in self._macro_files:  # all names are known before any of them is looked up: macros call each other
            for name in jinja.defined_in(environment, file):
                own(name, file)
        for file, template in zip(self._macro_files, compiled, strict=True):
            with self._noting(_Notes(None, _stand_in)):
                found = jinja.macros_of(environment, template, file, _deadline())
            for name in found:
                if owners.get(name) != file.path:
                    own(name, file)
            macros |= found
        self.macros: Mapping[str, str] = owners

    def _noted(self, name: str, macros: "Mapping[str, Macro]") -> Callable[..., Any]:
        from jinja2 import TemplateError

        def call(*arguments: Any, **named: Any) -> Any:
            self._notes.macros.add(name)
            if name not in macros:
                raise TemplateError(f"the macro `{name}` is of a file that is read later: call it inside of a macro")
            return macros[name](*arguments, **named)

        return call

    def macro_names(self) -> frozenset[str]:
        """Return the names of the project's macros. Raise ProjectError if one cannot be read."""
        self._environment()
        return frozenset(self.macros)

    def call_macro(
        self, name: str, arguments: Mapping[str, Any], this: TableName, place: Place
    ) -> tuple[MappedText, Reads]:
        """Return what the macro `name` gives for `arguments`; `place` is where it was asked for."""
        from sqlflow.read import template as jinja

        environment = self._environment()
        text = "{{ " + name + "(**arguments) }}"
        source = SourceFile(place.path, "\n" * (place.line - 1) + text)
        compiled = jinja.compiled(environment, source, f"{place}", source.text)
        notes = _Notes(this, _stand_in)
        names = {"arguments": dict(arguments)}
        try:
            with self._noting(notes):
                rendered = jinja.rendered(environment, compiled, source, names, _deadline())
        except ProjectError as error:
            raise ProjectError(_placed(problem, text, place) for problem in error.problems) from None
        return _trimmed(rendered), notes.reads()

    def _var(self, name: str, default: Any = ...) -> Any:
        if name in self._variables:
            value = self._variables[name]
        elif default is not ...:
            value = default
        else:
            hint = did_you_mean(name, self._variables) or f"set it below `vars:`, or with `--vars {name}=…`"
            raise ProjectError(f"the var `{name}` is not set", None, hint)
        self._notes.vars[name] = repr(value)
        return value

    def _env(self, name: str, default: str | None = None) -> str:
        if name not in self._environment_values:
            hint = f"add it to `env: [{name}]` in sqlflow.yml if templates may read it"
            raise ProjectError(f"the environment variable `{name}` is not declared", None, hint)
        value = self._environment_values[name]
        if value is None:
            value = default
        if value is None:
            hint = f"set it, or write `env('{name}', 'a default')`"
            raise ProjectError(f"the environment variable `{name}` is not set", None, hint)
        self._notes.env[name] = value
        return value

    def _ref(self, *names: str) -> str:
        self._notes.refs.add(names[-1])
        return str(TableName.parse(names[-1]))

    def _query(self, text: str) -> Any:
        self._notes.queries.append(str(text))
        rows = self._notes.run_query(str(text))
        if isinstance(rows, list):
            return rows
        return [dict(zip(rows.columns, row, strict=True)) for row in rows.rows]


def _placed(problem: Problem, call: str, place: Place) -> Problem:
    """Return a problem of a `call` that nobody wrote at the place where it was asked for."""
    return replace(problem, place=place) if problem.place and problem.place.text == call else problem


def _macro_place(file: SourceFile, name: str) -> Place:
    found = re.search(rf"macro\s+({re.escape(name)})\b", file.text)
    return file.place(found.start(1) if found else 0, len(name))


def _source(schema: str, name: str) -> str:
    return str(TableName("", name, schema)) if not schema else f"{_part(schema)}.{_part(name)}"


def _part(name: str) -> str:
    return str(TableName("", name))


def _identifier(value: Any) -> str:
    text = str(value)
    if not text or not re.fullmatch(r"\w+", text):
        raise ProjectError(f"`{text[:80]}` is no identifier: it may hold letters, digits and `_`")
    return quoted(text)


class _This:
    """The block whose template is being rendered: its published name; `schema` and `name` are its parts."""

    def __init__(self, local: threading.local) -> None:
        self._local = local

    def _table(self) -> TableName:
        this: TableName | None = self._local.notes.this
        if this is None:
            raise ProjectError("`this` has no meaning here: the file belongs to no block")
        return this

    def __str__(self) -> str:
        return str(self._table())

    @property
    def schema(self) -> str:
        return self._table().schema

    @property
    def name(self) -> str:
        return self._table().name


class _Incremental:
    """Whether new rows are asked for, of a table that is there; it is true or false in the template that is rendered."""

    def __init__(self, local: threading.local) -> None:
        self._local = local

    def __bool__(self) -> bool:
        notes: _Notes = self._local.notes
        return notes.incremental

    def __str__(self) -> str:
        return str(bool(self)).lower()


class _Border:
    """The `start` or the `end` of the time whose rows are asked for."""

    def __init__(self, local: threading.local, end: Literal["start", "end"]) -> None:
        self._local = local
        self._end = end

    def __str__(self) -> str:
        span: Span | None = self._local.notes.span
        if span is None:
            hint = "an incremental block with `strategy: time_range` has it"
            raise ProjectError(f"`{self._end}` has no meaning here: the rows of no time are asked for", None, hint)
        return written(span.start if self._end == "start" else span.end)


class _StandIn(str):
    """What every column of a row is before `query()` has run: text that also passes for a number."""

    def __getattr__(self, name: str) -> "_StandIn":
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __getitem__(self, key: Any) -> "_StandIn":
        return self

    def __index__(self) -> int:
        return 1

    __int__ = __index__


def _stand_in(text: str) -> Any:
    return [_StandIn(STAND_IN)]


def _trimmed(text: MappedText) -> MappedText:
    whole = text.text
    start = len(whole) - len(whole.lstrip())
    return text.slice(start, max(start, len(whole.rstrip())))
