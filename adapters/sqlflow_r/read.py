"""From an R file to what it declares, without running it."""

import hashlib
import posixpath
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import PurePosixPath

from msgspec import Struct

from sqlflow.core.errors import Problem, ProjectError, did_you_mean
from sqlflow.core.runtime import CONTEXT, OUTPUT, Argument, Asked, Declared, FunctionFile, ParseYaml
from sqlflow.core.text import Place, SourceFile
from sqlflow_r.calls import asked, env, outside, packages, sources
from sqlflow_r.header import KINDS, Header, header
from sqlflow_r.tokens import Token, canonical, closing, expressions, literal, parts, tokens

PACKAGES = {"tibble": "tibble", "data.table": "data.table"}
"""The package that a kind of frame needs."""
_ASSIGNS = ("<-", "=", "<<-")
_NO_BLOCK = "no function is a block"
_HINT = "write one outermost function, as `daily <- function(stg_flights) …`; helpers belong into `lib/`"


class _Function(Struct, frozen=True):
    """An outermost function of a file: its name, its formals, all its tokens, and what stands above it."""

    name: Token
    formals: tuple[tuple[Token, ...], ...]
    tokens: tuple[Token, ...]
    header: Header

    @property
    def called(self) -> str:
        return self.name.value if self.name.is_string else self.name.name

    def place(self, source: SourceFile) -> Place:
        return source.place(self.name.start, self.name.end - self.name.start)


class _Shared(Struct, frozen=True):
    """What all functions of a file stand on: its helpers and other code, and the modules that it sources."""

    tokens: tuple[Token, ...]
    modules: Mapping[str, tuple[int, tuple[Token, ...]]]
    """By path: the offset of the file at which it is asked for, and its tokens."""
    volatile: str

    @property
    def code(self) -> str:
        return "\n".join([canonical(self.tokens), *(canonical(self.modules[path][1]) for path in sorted(self.modules))])


def declared(source: SourceFile, parse: ParseYaml, modules: Mapping[str, SourceFile]) -> FunctionFile:
    """Return the block and the assertions of an R file. Raise ProjectError with all that is wrong."""
    problems: list[Problem] = []
    functions, rest = _functions(source, parse, problems)
    block = _block(functions, source, problems)
    checks = [function for function in functions if function.header.assertion is not None]
    if block is None:
        raise ProjectError(problems)
    helpers = [function for function in functions if function is not block and function not in checks]
    helping = chain(*rest, *(helper.tokens for helper in helpers))
    shared = _shared(tuple(helping), (block, *checks), source, modules, problems)
    _refuse_what_helpers_have_not(helpers, source, problems)
    _refuse_two_of_a_name(functions, source, problems)
    found = [_declared(function, shared, source, problems) for function in (block, *checks)]
    if problems:
        raise ProjectError(problems)
    named = chain(
        *(packages(function.tokens) for function in (block, *checks)), packages(shared.tokens),
        *(packages(inside) for _, inside in shared.modules.values()),
    )  # fmt: skip
    return FunctionFile(
        found[0], tuple(found[1:]), tuple(sorted(shared.modules)), tuple(sorted({*named, *_frame_packages(found)}))
    )


def _functions(
    source: SourceFile, parse: ParseYaml, problems: list[Problem]
) -> tuple[list[_Function], list[tuple[Token, ...]]]:
    """Return the outermost functions, and the other expressions. The `#'` lines belong to the next function below."""
    found = tokens(source)
    notes = [token for token in found if token.kind == "comment" and _is_note(token, source)]
    functions: list[_Function] = []
    rest: list[tuple[Token, ...]] = []
    inside: list[tuple[int, int]] = []
    for expression in expressions(found):
        start, end = expression[0].start, expression[-1].end
        inside.append((start, end))
        if not _is_function(expression):
            rest.append(expression)
            continue
        above = [note for note in notes if note.start < start and not _within(note, inside)]
        notes = [note for note in notes if note.start >= end]
        heading = header(above, source, parse, problems)
        functions.append(_Function(expression[0], formals(expression), expression, heading))
    if notes:
        _refuse_what_stands_over_nothing(notes, source, parse, problems)
    return functions, rest


def _is_note(comment: Token, source: SourceFile) -> bool:
    before = source.text[source.text.rfind("\n", 0, comment.start) + 1 : comment.start]
    return comment.text.startswith("#'") and not before.strip()


def _within(note: Token, spans: Sequence[tuple[int, int]]) -> bool:
    return any(start < note.start < end for start, end in spans)


def _is_function(expression: Sequence[Token]) -> bool:
    if len(expression) < 5 or not (expression[0].name or expression[0].is_string):
        return False
    assigned = expression[1].kind == "operator" and expression[1].text in _ASSIGNS
    return assigned and expression[2].text in ("function", "\\") and expression[3].text == "("


def formals(function: Sequence[Token]) -> tuple[tuple[Token, ...], ...]:
    """Return the arguments of `name <- function(…) …`, each as its tokens: the name, and `=` and a default if it has one."""
    return tuple(parts(function[4 : closing(function, 3)]))


def _refuse_what_stands_over_nothing(
    notes: Sequence[Token], source: SourceFile, parse: ParseYaml, problems: list[Problem]
) -> None:
    left = header(notes, source, parse, problems)
    for what, offset in (("front matter", left.front_matter), ("`@assertion`", left.assertion)):
        if offset is not None:
            place = source.place(offset, len("@assertion") if what[0] == "`" else 6)
            problems.append(Problem(f"no function stands below this {what}", place))


def _block(functions: Sequence[_Function], source: SourceFile, problems: list[Problem]) -> _Function | None:
    """Return the function below the front matter, else the only one, else the one named like the file."""
    for function in functions:
        if function.header.assertion is not None and function.header.front_matter is not None:
            hint = "put the front matter above the block's function, and settings of an assertion below `#' @assertion`"
            place = source.place(function.header.front_matter, 6)
            problems.append(Problem("front matter belongs to a block, and this is an assertion", place, hint))
    plain = [function for function in functions if function.header.assertion is None]
    fronted = [function for function in plain if function.header.front_matter is not None]
    for second in fronted[1:]:
        hint = "a file defines one block: give it its own file"
        place = source.place(second.header.front_matter or 0, 6)
        problems.append(Problem(f"a second front matter: `{fronted[0].called}` is the block already", place, hint))
    stem = PurePosixPath(source.path).stem
    named = [function for function in plain if function.called == stem]
    if fronted or len(plain) == 1 or named:
        return (fronted or (plain if len(plain) == 1 else named))[0]
    if not plain:
        where = source.place(0) if source.text.strip() else Place(source.path)
        problems.append(Problem(_NO_BLOCK, functions[0].place(source) if functions else where, _HINT))
        return None
    listed = ", ".join(f"`{function.called}`" for function in plain)
    message = f"which of {listed} is the block cannot be told"
    hint = f"put front matter above it, or name it like the file, `{stem}`; the others are its helpers"
    problems.append(Problem(message, plain[1].place(source), hint))
    return None


def _refuse_two_of_a_name(functions: Sequence[_Function], source: SourceFile, problems: list[Problem]) -> None:
    seen: dict[str, _Function] = {}
    for function in functions:
        first = seen.setdefault(function.called, function)
        if first is not function:
            line = first.place(source).line
            message = f"a second function is named `{function.called}`, as the one of line {line}"
            problems.append(Problem(message, function.place(source), "R would keep the last one alone: rename one"))


def _refuse_what_helpers_have_not(helpers: Sequence[_Function], source: SourceFile, problems: list[Problem]) -> None:
    for helper in helpers:
        for frame in helper.header.frames:
            message = f"`{helper.called}` is a helper: it gets what it is called with"
            problems.append(Problem(message, source.place(frame.start, len(frame.argument))))


def _shared(
    helping: tuple[Token, ...], functions: Sequence[_Function], source: SourceFile, modules: Mapping[str, SourceFile],
    problems: list[Problem],
) -> _Shared:  # fmt: skip
    """Return what the functions stand on, with the modules that are sourced by them, through one another too."""
    found: dict[str, tuple[int, tuple[Token, ...]]] = {}
    why = ""
    everything = chain(sources(helping), *(sources(function.tokens) for function in functions))
    waiting = [(token.start, token.end - token.start, path) for token, path in everything]
    while waiting:
        start, length, path = waiting.pop(0)
        module = modules.get(posixpath.normpath(path)) if path else None
        if module is None and path.startswith("lib/"):
            place = source.place(start, length)
            problems.append(Problem(f"there is no `{path}`", place, did_you_mean(path, modules)))
        elif module is None:
            why = (
                why or f'`source("{path}")` reaches outside of the project\'s `lib/`'
                if path
                else "`source()` reads a computed file"
            )
        elif module.path not in found:
            found[module.path] = (start, tokens(module))
            waiting += [(start, length, further) for _, further in sources(found[module.path][1])]
    reasons = chain([why, outside(helping)], (_of_module(path, found[path][1]) for path in sorted(found)))
    return _Shared(helping, found, next(filter(None, reasons), ""))


def _of_module(path: str, inside: Sequence[Token]) -> str:
    why = outside(inside)
    return f"`{path}`: {why}" if why else ""


def _declared(function: _Function, shared: _Shared, source: SourceFile, problems: list[Problem]) -> Declared:
    plain = [formal for formal in function.formals if len(formal) == 1]
    arguments = [_argument(formal[0], function, source, problems) for formal in plain]
    tables = tuple(one for one in arguments if one.name not in (OUTPUT, CONTEXT))
    output = next((one for one in arguments if one.name == OUTPUT), None)
    if output is not None and function.header.assertion is None:
        hint = "it is what an assertion gets: give the input another name, with `inputs`"
        problems.append(Problem(f"a block takes no `{OUTPUT}`", source.place(output.start, len(OUTPUT)), hint))
    _refuse_odd_frames(function, [one.name for one in (*tables, output) if one], source, problems)
    names = chain(env(function.tokens, source, problems), env(shared.tokens, source, problems))
    from_modules = chain(*(env(inside, source, problems) for _, inside in shared.modules.values()))
    queries = tuple(_asked(function, shared))
    loads = not tables and not queries and output is None
    why = outside(function.tokens) or shared.volatile
    return Declared(
        function.called, function.name.start, function.name.end, function.header.settings, tables,
        tuple((formal[0].name, literal(formal[2:])[1]) for formal in function.formals if len(formal) > 2), output,
        any(one.name == CONTEXT for one in arguments), queries, tuple(dict.fromkeys(chain(names, from_modules))),
        _code(function, arguments, shared), why or ("what a loader loads is known only when it runs" if loads else ""),
    )  # fmt: skip


def _argument(formal: Token, function: _Function, source: SourceFile, problems: list[Problem]) -> Argument:
    if formal.name == "...":
        message = "`...` names no input"
        problems.append(Problem(message, source.place(formal.start, 3), "name each input by an argument of its own"))
    frames = [frame.kind for frame in function.header.frames if frame.argument == formal.name]
    return Argument(formal.name, frames[-1] if frames else KINDS[0], formal.start, formal.end)


def _refuse_odd_frames(function: _Function, known: Sequence[str], source: SourceFile, problems: list[Problem]) -> None:
    seen: set[str] = set()
    for frame in function.header.frames:
        place = source.place(frame.start, len(frame.argument))
        if frame.argument not in known:
            message = f"`{function.called}` takes no table `{frame.argument}`"
            problems.append(Problem(message, place, did_you_mean(frame.argument, known)))
        elif frame.argument in seen:
            problems.append(Problem(f"a second `@frame` for `{frame.argument}`", place))
        seen.add(frame.argument)


def _asked(function: _Function, shared: _Shared) -> Iterator[Asked]:
    """Yield the SQL of the function and of all that it stands on; a module's stands where the file sources it."""
    yield from asked(function.tokens)
    yield from asked(shared.tokens)
    for start, inside in shared.modules.values():
        yield from (Asked(query.text, start, start + 1, exact=False) for query in asked(inside))


def _code(function: _Function, arguments: Sequence[Argument], shared: _Shared) -> str:
    frames = " ".join(f"{one.name}:{one.frame}" for one in arguments)
    content = "\n".join([frames, canonical(function.tokens), shared.code])
    return hashlib.blake2b(content.encode(), digest_size=16).hexdigest()


def _frame_packages(found: Sequence[Declared]) -> Iterator[str]:
    for function in found:
        for one in (*function.arguments, *([function.output] if function.output else [])):
            if package := PACKAGES.get(one.frame.split()[0]):
                yield package
