"""What goes wrong in R, as problems at their places in the user's files."""

import re
from typing import Any

from sqlflow.core.errors import BuildError, Problem, SqlflowError
from sqlflow.core.runtime import Call, Say
from sqlflow.core.text import Place, SourceFile
from sqlflow_r.installed import GET_PACKAGE

_NO_PACKAGE = re.compile("there is no package called ['\u2018]([A-Za-z0-9.]+)['\u2019]")
_CRASH = " *** caught"
_STACK_LINE = re.compile(r" *[0-9]+: ")
_PARSE_ERROR = re.compile(r"(?P<path>[^:\n]+):(?P<line>\d+):(?P<column>\d+): (?P<what>[^\n]*)")


def without_crash(say: Say, name: str) -> Say:
    """Return what tells lines to `say`, but of the stack that R prints when it crashes only the part above our own code."""
    crashed = done = False

    def told(line: str) -> None:
        nonlocal crashed, done
        crashed = crashed or line.startswith(_CRASH)
        if not crashed or line.startswith(_CRASH):
            say(line)
        elif not done and _STACK_LINE.match(line):
            say(line)
            done = f"{name}(" in line

    return told


def placed(problem: Problem, call: Call) -> Problem:
    """Return a problem without a place at the function's name."""
    function = call.function
    place = call.source.place(function.start, function.end - function.start)
    return Problem(problem.message, problem.place or place, problem.hint)


def at_argument(problem: Problem, name: str, call: Call) -> Problem:
    """Return a problem of an input, at the argument that takes it."""
    function = call.function
    for argument in (*function.arguments, *([function.output] if function.output else [])):
        if argument.name == name:
            place = call.source.place(argument.start, argument.end - argument.start)
            return Problem(f"`{name}`: {problem.message}", place, problem.hint)
    return placed(problem, call)


def asking_failed(error: SqlflowError, answer: dict[str, Any], call: Call) -> SqlflowError:
    """Return why `context$sql()` gave no rows, at the user's line that asked."""
    where = _place(answer["stack"][-1], call) if answer["stack"] else None
    return BuildError(placed(Problem(one.message, one.place or where, one.hint), call) for one in error.problems)


def of_user(answer: dict[str, Any], call: Call) -> Problem:
    """Return an error of the user's code, at the innermost of the user's own lines, with the lines that led there."""
    message = str(answer["message"]).strip() or "an error without a message"
    syntax = _PARSE_ERROR.match(message)
    if syntax and syntax["path"] == call.source.path and not answer["stack"]:
        place = call.source.line_place(int(syntax["line"]), int(syntax["column"]))
        return Problem(f"not valid R: {syntax['what']}", place)
    hint = ""
    if absent := _NO_PACKAGE.search(message):
        hint = f"{GET_PACKAGE.format(absent[1], absent[1].lower())}, and list it in `requirements`"
    where = f", in `{answer['call']}`" if answer["call"] else ""
    lines = [f"{one['path']}:{int(one['line'])}:{int(one['column'])}" for one in answer["stack"]]
    way = "".join(f"\n  at {line}" for line in reversed(lines)) if len(lines) > 1 else ""
    innermost = _place(answer["stack"][-1], call) if answer["stack"] else None
    return placed(Problem(f"{message}{where}{way}", innermost, hint), call)


def _place(frame: dict[str, Any], call: Call) -> Place:
    path, line, column = frame["path"], int(frame["line"]), int(frame["column"])
    if path == call.source.path:
        return call.source.line_place(line, column)
    try:
        return SourceFile(path, (call.root / path).read_text("utf-8")).line_place(line, column)
    except (OSError, ValueError):
        return Place(path, line, column)
