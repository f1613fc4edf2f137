"""What a Python file declares, told by its syntax tree: nothing of it is ever run."""

import ast
import hashlib
from collections.abc import Iterator, Mapping
from copy import copy
from typing import Any

from msgspec.structs import replace

from sqlflow.core.errors import Problem, ProjectError, did_you_mean
from sqlflow.core.runtime import CONTEXT, OUTPUT, Argument, Asked, Declared, FunctionFile
from sqlflow.core.text import Place, SourceFile
from sqlflow_python.frame_kinds import DEFAULT_FRAME, frame_kind
from sqlflow_python.imports import Imports, imported
from sqlflow_python.literals import Offsets, place_of, settings
from sqlflow_python.outside import outside

Def = ast.FunctionDef | ast.AsyncFunctionDef
_MARKS = ("block", "assertion")
_NO_BLOCK = "no function is marked as a block"
_HINT = "write `@block` above the function, with `from sqlflow import block`"


def declared(source: SourceFile, modules: Mapping[str, SourceFile]) -> FunctionFile | None:
    """Return what a file declares; None for an `__init__.py`. Raise ProjectError with all that is wrong."""
    if source.path.endswith("__init__.py"):
        return None
    tree = parsed(source)
    offsets = Offsets(source)
    problems: list[Problem] = []
    marked = [(function, mark) for function in tree.body if isinstance(function, Def) for mark in _marks(function)]
    blocks = [function for function, (word, _) in marked if word == "block"]
    names = imported(tree, source, modules)
    if not blocks:
        raise ProjectError(_no_block(tree, source, offsets))
    for function in blocks[1:]:
        message = f"a second function is marked as a block: `{blocks[0].name}` is one already"
        problems.append(
            Problem(message, _name_place(function, offsets), "a file defines one block: give it its own file")
        )
    found = [_declared(function, word, call, offsets, names, problems) for function, (word, call) in marked]
    code = hashlib.blake2b(_canonical(tree, marked).encode(), digest_size=16).hexdigest()
    if problems:
        raise ProjectError(problems)
    block = next(one for one, (_, (word, _)) in zip(found, marked, strict=True) if word == "block")
    checks = [one for one, (_, (word, _)) in zip(found, marked, strict=True) if word == "assertion"]
    volatile = outside(tree, names) or next((why for text in names.read if (why := _module_outside(text))), "")
    return FunctionFile(
        _with(block, code, volatile),
        tuple(_with(check, f"{code} {_hash(_function_code(tree, check.name))}", volatile) for check in checks),
        names.modules,
        names.packages,
        names.packages,
    )


def parsed(source: SourceFile) -> ast.Module:
    """Return the syntax tree of a file. Raise ProjectError, at its place, for what is no Python."""
    try:
        return ast.parse(source.text, source.path, type_comments=False)
    except SyntaxError as error:
        place = source.line_place(error.lineno or 1, max(1, error.offset or 1))
        message = f"not valid Python: {error.msg}"
        raise ProjectError(message, place) from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise ProjectError(f"not valid Python: {error or 'nested too deep'}", Place(source.path)) from error


def _module_outside(module: SourceFile) -> str:
    tree = parsed(module)
    why = outside(tree, imported(tree, module, {}))
    return f"`{module.path}`: {why}" if why else ""


def _marks(function: Def) -> Iterator[tuple[str, ast.Call | None]]:
    """Yield the marks of a function: `@block`, `@sqlflow.block`, with or without settings."""
    for decorator in function.decorator_list:
        if (word := _word(decorator)) in _MARKS:
            yield word, decorator if isinstance(decorator, ast.Call) else None


def _word(decorator: ast.expr) -> str:
    named = decorator.func if isinstance(decorator, ast.Call) else decorator
    return named.attr if isinstance(named, ast.Attribute) else named.id if isinstance(named, ast.Name) else ""


def _no_block(tree: ast.Module, source: SourceFile, offsets: Offsets) -> Problem:
    functions = [function for function in tree.body if isinstance(function, Def)]
    if len(functions) == 1:
        return Problem(_NO_BLOCK, _name_place(functions[0], offsets), _HINT)
    nested = [node for node in ast.walk(tree) if isinstance(node, Def) and any(_marks(node))]
    if nested:
        hint = "move it to the left margin"
        return Problem("the block's function stands inside of something else", _name_place(nested[0], offsets), hint)
    where = source.place(0) if source.text.strip() else Place(source.path)
    hint = _HINT if functions else "write a function with `@block` above it; helpers belong into `lib/`"
    return Problem(_NO_BLOCK, where, hint)


def _name_place(function: Def, offsets: Offsets) -> Place:
    return offsets.source.place(_name_start(function, offsets), len(function.name))


def _name_start(function: Def, offsets: Offsets) -> int:
    start = offsets.start(function)
    return offsets.source.text.find(function.name, start + (9 if isinstance(function, ast.AsyncFunctionDef) else 3))


def _declared(
    function: Def, word: str, call: ast.Call | None, offsets: Offsets, names: Imports, problems: list[Problem]
) -> Declared:
    start = _name_start(function, offsets)
    try:
        given = settings(call, offsets)
    except ProjectError as error:
        problems.extend(error.problems)
        given = None
    if isinstance(function, ast.AsyncFunctionDef):
        message = f"`{function.name}` is an async function"
        problems.append(Problem(message, _name_place(function, offsets), "write `def`: sqlflow calls it and waits"))
    arguments = list(_arguments(function, offsets, names, problems))
    plain = tuple(one for one in arguments if one.name not in (OUTPUT, CONTEXT))
    output = next((one for one in arguments if one.name == OUTPUT), None)
    if word == "block" and output:
        hint = "it is what an assertion gets: give the input another name, with `inputs=`"
        problems.append(Problem(f"a block takes no `{OUTPUT}`", offsets.source.place(output.start, len(OUTPUT)), hint))
    asked, env = _context_calls(function, offsets, problems)
    return Declared(
        function.name, start, start + len(function.name), given, plain, tuple(_options(function)), output,
        any(one.name == CONTEXT for one in arguments), asked, env,
    )  # fmt: skip


def _with(function: Declared, code: str, volatile: str) -> Declared:
    loader = not function.arguments and not function.asked and function.output is None
    why = volatile or ("what a loader loads is known only when it runs" if loader else "")
    return replace(function, code=code, volatile=why)


def _arguments(function: Def, offsets: Offsets, names: Imports, problems: list[Problem]) -> Iterator[Argument]:
    """Yield the parameters without a default; those that cannot be given by name are problems."""
    arguments = function.args
    for odd in (arguments.vararg, arguments.kwarg, *arguments.posonlyargs):
        if odd is not None:
            message = f"`{odd.arg}` cannot be given by name: inputs are parameters with a name of their own"
            problems.append(Problem(message, place_of(odd, offsets), "name each input"))
    without = arguments.args[: len(arguments.args) - len(arguments.defaults)]
    keywords = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    for argument in (*without, *(one for one, default in keywords if default is None)):
        start = offsets.start(argument)
        kind = DEFAULT_FRAME if argument.arg == CONTEXT else _frame(argument, offsets, names, problems)
        yield Argument(argument.arg, kind, start, start + len(argument.arg))


def _frame(argument: ast.arg, offsets: Offsets, names: Imports, problems: list[Problem]) -> str:
    if argument.annotation is None:
        return DEFAULT_FRAME
    kind = frame_kind(argument.annotation, names.full_names)
    if kind is None:
        shown = ast.unparse(argument.annotation)[:60]
        hint = "frames: `pd.DataFrame`, `pl.DataFrame`, `pl.LazyFrame`, `pa.Table`, `pa.RecordBatchReader`, …"
        if did_you_mean(argument.arg, [CONTEXT]):
            hint = f"did you mean the parameter `{CONTEXT}`? A parameter that is a var needs a default"
        message = f"`{argument.arg}` is annotated `{shown}`, which is no frame"
        problems.append(Problem(message, place_of(argument.annotation, offsets), hint))
    return kind or DEFAULT_FRAME


def _options(function: Def) -> Iterator[tuple[str, Any]]:
    """Yield the parameters with a default: they are vars. The value is None where it is no literal."""
    arguments = function.args
    last = arguments.args[len(arguments.args) - len(arguments.defaults) :]
    keywords = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    for argument, default in (*zip(last, arguments.defaults, strict=True), *keywords):
        if default is not None:
            yield argument.arg, _literal(default)


def _literal(value: ast.expr) -> Any:
    try:
        return ast.literal_eval(value)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None


def _context_calls(
    function: Def, offsets: Offsets, problems: list[Problem]
) -> tuple[tuple[Asked, ...], tuple[str, ...]]:
    """Return the literal queries of `context.sql()` and the names of `context.env()`."""
    asked: list[Asked] = []
    env: dict[str, None] = {}
    for call in (node for node in ast.walk(function) if isinstance(node, ast.Call)):
        method = call.func
        if not (
            isinstance(method, ast.Attribute) and isinstance(method.value, ast.Name) and method.value.id == CONTEXT
        ):
            continue
        first = call.args[0] if call.args else next((one.value for one in call.keywords), None)
        text = first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else None
        if method.attr == "sql" and text is not None and first is not None:
            asked.append(_asked(text, first, offsets))
        elif method.attr == "env" and text is not None:
            env[text] = None
        elif method.attr == "env":
            hint = 'write the name itself: `context.env("NAME")`'
            problems.append(
                Problem("the name of an environment variable must be a literal", place_of(call, offsets), hint)
            )
    return tuple(asked), tuple(env)


def _asked(text: str, value: ast.expr, offsets: Offsets) -> Asked:
    start, end = offsets.start(value), offsets.end(value)
    found = offsets.source.text.find(text, start, end)
    return Asked(text, found, found + len(text)) if found >= 0 else Asked(text, start, end, exact=False)


def _canonical(tree: ast.Module, marked: list[tuple[Def, tuple[str, ast.Call | None]]]) -> str:
    """Return what of the file shapes the block's rows: not its layout, its comments, its settings or its assertions."""
    checks = {id(function) for function, (word, _) in marked if word == "assertion"}
    body = [_without_marks(node) if isinstance(node, Def) else node for node in tree.body if id(node) not in checks]
    return "\n".join(ast.dump(node) for node in body)


def _without_marks(function: Def) -> Def:
    """Return the function without the decorators that are read as settings; any other is a part of it."""
    plain = copy(function)
    plain.decorator_list = [one for one in function.decorator_list if _word(one) not in _MARKS]
    return plain


def _function_code(tree: ast.Module, name: str) -> str:
    return "".join(ast.dump(_without_marks(node)) for node in tree.body if isinstance(node, Def) and node.name == name)


def _hash(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
