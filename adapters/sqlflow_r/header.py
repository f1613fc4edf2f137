"""The `#'` lines above a function: front matter, the frames of its arguments, and the mark of an assertion.

    #' ---
    #' description: Seasonal decomposition of departures.     YAML between two lines of dashes
    #' ---
    #' @frame flights tibble                                  the form in which an argument gets its rows
    #' @assertion                                             what follows are its settings, as YAML
    #' severity: warn

Other `@` words are roxygen2's, and are left to it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

from msgspec import Struct
from msgspec.structs import replace

from sqlflow.core.errors import Problem, ProjectError
from sqlflow.core.node import Node
from sqlflow.core.runtime import ParseYaml
from sqlflow.core.text import SourceFile
from sqlflow_r.tokens import Token

KINDS = ("data.frame", "tibble", "data.table")
INTEGERS = ("integer64", "double")
"""How 64-bit integers arrive, where `@frame` says it."""
_FENCE = re.compile(r"#'[ \t]*---[ \t]*")
_TAG = re.compile(r"#'[ \t]*@(?P<word>\w+)(?P<rest>[^\n]*)")
_TAGS = ("frame", "assertion")


class Frame(Struct, frozen=True):
    """What a `@frame` line says, and where it names the argument."""

    argument: str
    kind: str
    start: int
    end: int


@dataclass(slots=True)
class Header:
    """What stands above a function. `settings` is None where nothing is said."""

    settings: Node | None = None
    frames: list[Frame] = field(default_factory=list)
    front_matter: int | None = None
    """Where the front matter begins."""
    assertion: int | None = None
    """Where the mark of an assertion stands."""


def header(lines: Sequence[Token], source: SourceFile, parse: ParseYaml, problems: list[Problem]) -> Header:
    """Return what the `#'` lines above a function say; what is wrong with them is added to `problems`."""
    found = Header()
    lines = _without_front_matter(lines, found, source, parse, problems)
    settings: list[Token] = []
    for line in lines:
        tag = _TAG.fullmatch(line.text.rstrip("\r"))
        if tag is None:
            settings += [line] if found.assertion is not None else []
        elif tag["word"] == "assertion":
            found.assertion = line.start + tag.start("word") - 1
            _refuse_rest(tag, line, source, problems)
        elif tag["word"] == "frame":
            _take_frame(tag, line, found, source, problems)
        elif near := get_close_matches(tag["word"], _TAGS, cutoff=0.8):
            place = source.place(line.start + tag.start("word") - 1, len(tag["word"]) + 1)
            problems.append(Problem(f"unknown mark `@{tag['word']}`", place, f"did you mean `@{near[0]}`?"))
    if found.assertion is not None and found.front_matter is None:
        found.settings = _yaml(settings, source, parse, problems)
    return found


def _without_front_matter(
    lines: Sequence[Token], found: Header, source: SourceFile, parse: ParseYaml, problems: list[Problem]
) -> Sequence[Token]:
    fences = [index for index, line in enumerate(lines) if _FENCE.fullmatch(line.text.rstrip("\r"))]
    if not fences:
        return lines
    first = fences[0]
    found.front_matter = lines[first].start
    place = source.place(lines[first].start, 6)
    if len(fences) == 1:
        problems.append(Problem("the front matter is not closed", place, "end it with a line `#' ---`"))
        return lines[:first]
    if len(fences) > 2:
        place = source.place(lines[fences[2]].start, 6)
        problems.append(Problem("a second front matter begins here; a file has one", place))
    found.settings = _yaml(lines[first + 1 : fences[1]], source, parse, problems)
    return [*lines[:first], *lines[fences[1] + 1 :]]


def _refuse_rest(tag: re.Match[str], line: Token, source: SourceFile, problems: list[Problem]) -> None:
    if tag["rest"].strip():
        place = source.place(line.start + tag.start("rest") + 1, len(tag["rest"].strip()))
        problems.append(Problem("nothing may follow `@assertion`", place, "settings stand on the lines below it"))


def _take_frame(tag: re.Match[str], line: Token, found: Header, source: SourceFile, problems: list[Problem]) -> None:
    words = [(word.group(), line.start + tag.start("rest") + word.start()) for word in re.finditer(r"\S+", tag["rest"])]
    if not 2 <= len(words) <= 3:
        place = source.place(line.start + tag.start("word") - 1, len("@frame"))
        problems.append(Problem("`@frame` names an argument and a kind", place, "such as `@frame flights tibble`"))
        return
    (argument, start), *kinds = words
    for (word, offset), known, what in zip(
        kinds, (KINDS, INTEGERS), ("frame", "form of 64-bit integers"), strict=False
    ):
        if word not in known:
            listed = ", ".join(f"`{name}`" for name in known)
            problems.append(Problem(f"unknown {what} `{word}`", source.place(offset, len(word)), f"known: {listed}"))
            return
    found.frames.append(Frame(argument, " ".join(word for word, _ in kinds), start, start + len(argument)))


def _yaml(lines: Sequence[Token], source: SourceFile, parse: ParseYaml, problems: list[Problem]) -> Node | None:
    """Return the YAML of some lines, read at the offsets that it has in the file."""
    if not lines:
        return None
    start, end = lines[0].start, lines[-1].end
    text = [" " if character not in "\r\n" else character for character in source.text[:end]]
    for line in lines:
        text[line.start + 2 : line.end] = line.text[2:]
    try:
        node = parse(SourceFile(source.path, "".join(text)), start, end)
    except ProjectError as error:
        problems += [_with_line(problem, source) for problem in error.problems]
        return None
    return node and _of(node, source)


def _with_line(problem: Problem, source: SourceFile) -> Problem:
    """Return a problem that shows the line as the file has it."""
    place = problem.place
    return problem if place is None or not place.line else replace(
        problem, place=source.line_place(place.line, place.column, place.length)
    )  # fmt: skip


def _of(node: Node, source: SourceFile) -> Node:
    """Return a node and all below it as parts of `source`."""
    items = tuple(_of(item, source) for item in node.items)
    pairs = tuple((_of(key, source), _of(value, source)) for key, value in node.pairs)
    return replace(node, source=source, items=items, pairs=pairs)
