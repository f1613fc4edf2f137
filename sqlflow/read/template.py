"""Jinja in a sandbox, with positions that survive.

Jinja's generated code is asked for more than text: each piece that it puts out comes from `JinjaEnvironment.piece`,
which remembers the file and the offset at which the piece was written. Offsets reach the generated code as the
line numbers of Jinja's own tokens, in an `int` that carries one more attribute. Macros hand pieces on, filters
do not: what they return has the place of the expression.
"""

import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast

from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError, Undefined, UndefinedError, nodes
from jinja2.compiler import CodeGenerator, Frame
from jinja2.exceptions import SecurityError
from jinja2.lexer import Lexer
from jinja2.loaders import BaseLoader
from jinja2.runtime import Macro
from jinja2.sandbox import ImmutableSandboxedEnvironment

from sqlflow.core.errors import ProjectError, StatementError, did_you_mean
from sqlflow.core.text import MappedText, Piece, Place, SourceFile
from sqlflow.read.tags import TAG

TEXT_AT_MOST = 4 << 20
RANGE_AT_MOST = 100_000
SECONDS_AT_MOST = 10.0
_PADDING_AT_MOST = 100_000


class TooMuch(TemplateError):
    """A template asked for more time or text than it may have."""


class _Line(int):
    """A line number that knows its offset in the source."""

    offset: int


class _Traced(str):
    """Text that knows its pieces."""

    pieces: tuple[Piece, ...]

    def __str__(self) -> str:
        return self


def _traced(pieces: Iterable[Piece]) -> _Traced:
    pieces = tuple(pieces)
    text = _Traced("".join(piece.text for piece in pieces))
    text.pieces = pieces
    return text


def _join(parts: Iterable[str]) -> _Traced:
    pieces: list[Piece] = []
    size = 0
    for part in parts:
        size += len(part)
        if size > TEXT_AT_MOST:
            raise TooMuch(f"the template renders to more than {TEXT_AT_MOST >> 20} MiB")
        pieces += part.pieces if isinstance(part, _Traced) else (Piece(part),)
    return _traced(pieces)


class _Lexer(Lexer):
    def tokeniter(
        self, source: str, name: str | None, filename: str | None = None, state: str | None = None
    ) -> Iterator[tuple[int, str, str]]:
        position = 0
        try:
            for number, token, value in super().tokeniter(source, name, filename, state):
                found = source.find(value, position)
                line = _Line(number)
                line.offset = found if found >= 0 else position
                position = line.offset + len(value)
                yield line, token, value
        except TemplateSyntaxError as error:
            line = _Line(error.lineno)
            line.offset = _skip_blanks(source, position)
            error.lineno = line
            raise


def _skip_blanks(source: str, offset: int) -> int:
    while offset < len(source) and source[offset].isspace():
        offset += 1
    return offset


class _CodeGenerator(CodeGenerator):
    """Puts `environment.piece(…)` round everything that a template puts out."""

    environment: "JinjaEnvironment"

    def _output_child_to_const(self, node: nodes.Expr, frame: Frame, finalize: Any) -> str:
        if isinstance(node, nodes.TemplateData):
            return _traced([self._piece(node, node.data, moves=True)])
        return _traced([self._piece(node, super()._output_child_to_const(node, frame, finalize), moves=False)])

    def _piece(self, node: nodes.Node, text: str, moves: bool) -> Piece:
        return Piece(text, self.environment.source(self.name), _offset(node), moves)

    def _output_const_repr(self, group: Iterable[Any]) -> str:
        parts = ((piece.text, piece.offset, piece.moves) for text in group for piece in text.pieces)
        return f"environment.constant({self.name!r}, {tuple(parts)!r})"

    def _output_child_pre(self, node: nodes.Expr, frame: Frame, finalize: Any) -> None:
        self.write(f"environment.value({self.name!r}, {_offset(node)}, ")

    def visit_Concat(self, node: nodes.Concat, frame: Frame) -> None:  # noqa: N802  named by Jinja
        self.write("environment.concat((")
        for child in node.nodes:
            self.write("str(")
            self.visit(child, frame)
            self.write("), ")
        self.write("))")

    def _output_child_post(self, node: nodes.Expr, frame: Frame, finalize: Any) -> None:
        self.write(")")


def _offset(node: nodes.Node) -> int:
    """Return where an expression begins: Jinja gives a call the place of its bracket, and a filter that of its name."""
    return min(getattr(part.lineno, "offset", 0) for part in (node, *node.find_all(nodes.Node)))


class _IncludeLoader(BaseLoader):
    def __init__(self, source_of: Callable[[str], SourceFile]) -> None:
        self.source_of = source_of

    def get_source(self, environment: Any, template: str) -> tuple[str, str, Callable[[], bool]]:
        source = self.source_of(template)
        environment.sources[source.path] = source
        return source.text, source.path, lambda: True


class JinjaEnvironment(ImmutableSandboxedEnvironment):
    """The sandbox: pure functions and data only, bounded in time and size."""

    code_generator_class = _CodeGenerator
    concat = staticmethod(_join)
    intercepted_binops = frozenset({"*", "**", "%", "+", "<<"})

    def __init__(self, source_of: Callable[[str], SourceFile]) -> None:
        super().__init__(undefined=StrictUndefined, loader=_IncludeLoader(source_of), keep_trailing_newline=True)
        self.sources: dict[str, SourceFile] = {}
        self.deadline = threading.local()
        self.globals.pop("lipsum")
        self.globals["range"] = self._range
        self.filters |= {name: _bounded(name, self.filters[name]) for name in _GROWING}
        self.filters.pop("random")
        self.lexer_of_ours = _Lexer(self)

    @property
    def lexer(self) -> Lexer:
        return self.lexer_of_ours

    def source(self, name: str | None) -> SourceFile:
        return self.sources[cast(str, name)]

    def constant(self, name: str, parts: tuple[tuple[str, int, bool], ...]) -> _Traced:
        self.check_time()
        source = self.sources[name]
        return _traced(Piece(text, source, offset, moves) for text, offset, moves in parts)

    def value(self, name: str, offset: int, value: Any) -> _Traced:
        self.check_time()
        text = str(value)
        if isinstance(text, _Traced):
            return text
        if callable(value) and not isinstance(value, Undefined):  # an `if` without `else` gives one: no text
            raise SecurityError(f"printing the function `{getattr(value, '__name__', '?')}` is not allowed: call it")
        return _traced([Piece(text, self.sources[name], offset, moves=False)])

    def check_time(self) -> None:
        check = getattr(self.deadline, "check", None)
        if check:
            check()

    def _range(self, *arguments: int) -> range:
        numbers = range(*arguments)
        if len(numbers) > RANGE_AT_MOST:
            raise TooMuch(f"the template asks for a range of {len(numbers)}: at most {RANGE_AT_MOST} to render")
        return _CheckedRange(numbers, self.check_time)  # type: ignore[return-value]

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        if operator == "**" and not (abs(left) <= 1e6 and abs(right) <= 100):
            raise TooMuch("the power is too large to render")
        if operator == "<<" and right > 1000:
            raise TooMuch("the number is too large to render")
        if operator == "*":
            for text, times in ((left, right), (right, left)):
                if isinstance(text, (str, list, tuple)) and isinstance(times, int) and len(text) * times > 1_000_000:
                    raise TooMuch("the repeated text is too large to render")
        if (
            operator == "+"
            and isinstance(left, str)
            and isinstance(right, str)
            and len(left) + len(right) > TEXT_AT_MOST
        ):
            raise TooMuch("the joined text is too large to render")
        if operator == "%" and isinstance(left, str) and re.search(r"%[^a-zA-Z%]*[0-9*]{4,}", left):
            raise TooMuch("the padding is too large to render")
        return super().call_binop(context, operator, left, right)

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        if isinstance(obj, str) and attr in ("format", "format_map"):
            return False
        return super().is_safe_attribute(obj, attr, value)

    def unsafe_undefined(self, obj: Any, attribute: str) -> Any:
        raise SecurityError(f"`{attribute}` is not allowed in a template")

    def call(self, context: Any, func: Any, *args: Any, **kwargs: Any) -> Any:
        self.check_time()
        pads = getattr(func, "__name__", "") in ("center", "ljust", "rjust", "zfill", "expandtabs")
        if pads and any(isinstance(arg, int) and arg > _PADDING_AT_MOST for arg in args):
            raise TooMuch("the padding is too large to render")
        return super().call(context, func, *args, **kwargs)


_GROWING: Mapping[str, Callable[..., float]] = {
    "center": lambda value, width=80: width,
    "indent": lambda value, width=4, *rest, **named: str(value).count("\n") * (width if type(width) is int else 80),
    "format": lambda value, *rest, **named: max(map(int, re.findall(r"[0-9]{1,12}", str(value))), default=0),
    "replace": lambda value, old, new, *rest, **named: len(str(value)) * len(str(new)),
    "join": lambda value, d="", *rest, **named: len(d) * (len(value) if hasattr(value, "__len__") else 1),
}
"""Filters whose result may be far larger than what they are given, and a bound of its length."""


def _bounded(name: str, filter_of_jinja: Callable[..., Any]) -> Callable[..., Any]:
    takes_context = hasattr(filter_of_jinja, "jinja_pass_arg")

    def bounded(*arguments: Any, **named: Any) -> Any:
        if _GROWING[name](*arguments[1 if takes_context else 0 :], **named) > TEXT_AT_MOST:
            raise TooMuch(f"what the filter `{name}` makes is too large to render")
        return filter_of_jinja(*arguments, **named)

    if takes_context:
        bounded.jinja_pass_arg = filter_of_jinja.jinja_pass_arg  # type: ignore[attr-defined]
    return bounded


class _CheckedRange:
    """A range that looks at the clock, so that loops with an empty body end too."""

    def __init__(self, numbers: range, check: Callable[[], None]) -> None:
        self.numbers, self.check = numbers, check

    def __iter__(self) -> Iterator[int]:
        for number in self.numbers:
            if number % 1024 == 0:
                self.check()
            yield number

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, index: Any) -> Any:
        return self.numbers[index]

    def __contains__(self, value: object) -> bool:
        return value in self.numbers


def compiled(environment: JinjaEnvironment, source: SourceFile, name: str, text: str) -> Any:
    """Return the Jinja template `text`, whose offsets are those of `source`.

    Raise ProjectError for a syntax error. `name` is the template's own: a file may hold several.
    """
    environment.sources[name] = source
    try:
        code = environment.compile(text, name, name)
        return environment.template_class.from_code(environment, code, environment.globals, None)
    except TemplateSyntaxError as error:
        raise _syntax_error(environment, source, error) from None
    except (RecursionError, MemoryError, OverflowError, SyntaxError):
        raise ProjectError("the template is nested too deep to render", Place(source.path)) from None
    except TemplateError as error:
        raise ProjectError(f"template: {error}", Place(source.path)) from None


def _syntax_error(environment: JinjaEnvironment, source: SourceFile, error: TemplateSyntaxError) -> ProjectError:
    source = environment.sources.get(error.name or "", source)
    offset = getattr(error.lineno, "offset", None)
    place = source.place(offset) if offset is not None else source.line_place(error.lineno)
    return ProjectError(f"template: {error.message}", place)


def rendered(
    environment: JinjaEnvironment,
    template: Any,
    source: SourceFile,
    names: Mapping[str, Any],
    check: Callable[[], None],
) -> MappedText:
    """Return the template's text with its places.

    `check` is called often and may raise to stop. Raise ProjectError, at the line at fault, for an undefined name,
    for what the sandbox does not allow and for what is too large.
    """
    with _running(environment, source, check):
        return MappedText(template.render(names).pieces)


@contextmanager
def _running(environment: JinjaEnvironment, source: SourceFile, check: Callable[[], None]) -> Iterator[None]:
    """Run a template inside: its errors are told at the line at fault."""
    environment.deadline.check = check
    try:
        yield
    except ProjectError as error:
        if all(problem.place for problem in error.problems):
            raise
        named = re.search("`([^`]+)`", error.problems[0].message)
        place = _place_of(environment, source, error, named[1] if named else "")
        raise type(error)(
            type(problem)(problem.message, problem.place or place, problem.hint) for problem in error.problems
        ) from None
    except StatementError as error:
        raise ProjectError(f"query(): {error.message}", _place_of(environment, source, error, "query")) from error
    except TemplateSyntaxError as error:
        raise _syntax_error(environment, source, error) from None
    except RecursionError as error:
        raise ProjectError("the template's recursion has no end", _place_of(environment, source, error, "")) from None
    except Exception as error:  # noqa: BLE001  a template may raise anything: it is the author's code
        message, word = _words(error)
        place = _place_of(environment, source, error, word)
        hint = did_you_mean(word, environment.globals) if message.endswith("is undefined") else ""
        raise ProjectError(
            f"template: {message}", place, hint or _called_at(environment, source, error, place)
        ) from None
    finally:
        environment.deadline.check = None


def _words(error: Exception) -> tuple[str, str]:
    """Return what to say of an error that a template raised, and the word to point at."""
    message = str(error)
    if isinstance(error, UndefinedError):
        names = re.findall(r"'([^']*)'", message)
        return message.replace("'", "`"), names[-1] if names else ""
    if isinstance(error, SecurityError):
        return message if "not allowed" in message else f"{message} (not allowed)", ""
    if isinstance(error, (TemplateError, TypeError, ValueError, ArithmeticError, LookupError)):
        return message or type(error).__name__, ""
    return f"{type(error).__name__}: {message}", ""


def _place_of(environment: JinjaEnvironment, source: SourceFile, error: BaseException, word: str) -> Place:
    """Return the innermost template line of the error's traceback; `word` is looked for in it."""
    where, line = next(reversed(_lines_of(environment, error)), (source, 1))
    text = where.line_place(line).text
    found = re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text) if word else None
    found = found or TAG.search(text)
    return where.line_place(line, found.start() + 1, len(found.group())) if found else where.line_place(line)


def _lines_of(environment: JinjaEnvironment, error: BaseException) -> list[tuple[SourceFile, int]]:
    """Return the template lines of the error's traceback, the innermost last."""
    lines = []
    trace = error.__traceback__
    while trace is not None:
        file = environment.sources.get(trace.tb_frame.f_code.co_filename)
        template = trace.tb_frame.f_globals.get("__jinja_template__")
        if file is not None:
            line = template.get_corresponding_lineno(trace.tb_lineno) if template is not None else trace.tb_lineno
            lines.append((file, line))
        trace = trace.tb_next
    return lines


def _called_at(environment: JinjaEnvironment, source: SourceFile, error: BaseException, place: Place) -> str:
    """Return the hint that names the line of `source` that led to another file, as to a macro's."""
    lines = [line for file, line in _lines_of(environment, error) if file.path == source.path]
    return f"called at {source.path}:{lines[-1]}" if lines and place.path != source.path else ""


def defined_in(environment: JinjaEnvironment, source: SourceFile) -> tuple[str, ...]:
    """Return the names of the macros that a macro file, which can be compiled, defines whatever its conditions say."""
    found = (node.name for node in environment.parse(source.text).body if isinstance(node, nodes.Macro))
    return tuple(dict.fromkeys(found))


def macros_of(
    environment: JinjaEnvironment, template: Any, source: SourceFile, check: Callable[[], None]
) -> dict[str, Macro]:
    """Return the macros that a compiled macro file defines. What else it holds is run for that, as any template is."""
    with _running(environment, source, check):
        module = template.make_module({}, shared=False)
    return {name: value for name, value in vars(module).items() if isinstance(value, Macro)}
