"""The selection grammar: names, graph operators, methods, unions and intersections.

name  schema.*  tag:daily  path:blocks/marts  owner:data  source:raw.orders
+x  x+  2+x+1  @x            inputs, readers, with steps; @x: x, its readers, and all their inputs
"a b"  union                 "a,b"  intersection
"""

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase

from msgspec import Struct

from sqlflow.core.errors import UsageError, did_you_mean
from sqlflow.core.names import TableName
from sqlflow.plan.graph import Graph

METHODS = ("tag", "path", "owner", "source")
_TERM = re.compile(r"(?P<at>@)?(?P<up>(?P<up_steps>[0-9]*)\+)?(?P<core>[^+@]+?)(?P<down>\+(?P<down_steps>[0-9]*))?")


class Term(Struct, frozen=True):
    """One word of a selection: what it names, and how far up and down the graph it reaches.

    `up` and `down` are steps: 0 for none, None for all.
    """

    method: str
    value: str
    up: int | None = 0
    down: int | None = 0
    at: bool = False


def parse(text: str) -> Term:
    """Return the term that one word is. Raise UsageError if it is none."""
    match = _TERM.fullmatch(text)
    if not match or (match["at"] and match["up"]):
        raise UsageError(
            f"`{text}` is no selector", hint="write `name`, `+name`, `name+`, `2+name+1`, `@name` or `tag:word`"
        )
    method, colon, value = match["core"].partition(":")
    if not colon:
        method, value = "name", match["core"]
    if method not in (*METHODS, "name"):
        hint = did_you_mean(method, METHODS) or "known: " + ", ".join(f"`{known}:`" for known in METHODS)
        raise UsageError(f"`{text}` is no selector: there is no method `{method}:`", hint=hint)
    if not value:
        raise UsageError(f"`{text}` is no selector: nothing stands behind `{method}:`")
    return Term(
        method,
        value,
        _steps(match["up"], match["up_steps"]),
        _steps(match["down"], match["down_steps"]),
        bool(match["at"]),
    )


def _steps(given: str | None, number: str | None) -> int | None:
    if given is None:
        return 0
    return int(number) if number else None


def selected(graph: Graph, select: Iterable[str], exclude: Iterable[str] = ()) -> frozenset[TableName]:
    """Return the blocks that a selection names; all of them if it is empty.

    Raise UsageError for a word that is no selector, and for one that matches no block.
    """
    words = [word for text in select for word in text.split()]
    chosen = _union(graph, words) if words else frozenset(graph.inputs)
    return chosen - _union(graph, [word for text in exclude for word in text.split()])


def _union(graph: Graph, words: list[str]) -> frozenset[TableName]:
    return frozenset().union(*(_intersection(graph, word) for word in words))


def _intersection(graph: Graph, word: str) -> frozenset[TableName]:
    parts = [part for part in word.split(",") if part]
    if not parts:
        raise UsageError(f"`{word}` is no selector")
    found = frozenset.intersection(*(_reach(graph, parse(part)) for part in parts))
    if not found:
        raise UsageError(f"no block matches all of `{word}`", hint="a comma asks for both; a blank unites")
    return found


def _reach(graph: Graph, term: Term) -> frozenset[TableName]:
    named = _named(graph, term)
    if term.at:
        return graph.upstream(graph.downstream(named))
    return named | graph.upstream(named, term.up) | graph.downstream(named, term.down)


def _named(graph: Graph, term: Term) -> frozenset[TableName]:
    blocks = graph.project.blocks
    value = term.value.lower() if term.method in ("name", "source") else term.value
    match term.method:
        case "tag":
            found = {name for name, block in blocks.items() if _any_match(block.config.tags, value)}
        case "owner":
            found = {name for name, block in blocks.items() if fnmatchcase(block.config.owner, value)}
        case "path":
            found = {name for name, block in blocks.items() if _is_below(block.path, value)}
        case "source":
            found = {name for name in blocks if _any_match((_text(source) for source in graph.sources[name]), value)}
        case _:
            found = {name for name in blocks if fnmatchcase(_text(name), value) or fnmatchcase(name.name, value)}
    if not found:
        raise _nothing(graph, term)
    return frozenset(found)


def _any_match(texts: Iterable[str], pattern: str) -> bool:
    return any(fnmatchcase(text, pattern) for text in texts)


def _text(name: TableName) -> str:
    return ".".join(part for part in (name.schema, name.name) if part)


def _is_below(path: str, folder: str) -> bool:
    folder = folder.removeprefix("./").rstrip("/")
    return path == folder or path.startswith(f"{folder}/") or fnmatchcase(path, folder)


def _values(graph: Graph, method: str) -> set[str]:
    """Return what a method could ask for in this project; nothing for paths, which the user has before them."""
    configs = [block.config for block in graph.project.blocks.values()]
    match method:
        case "tag":
            return {tag for config in configs for tag in config.tags}
        case "owner":
            return {config.owner for config in configs if config.owner}
        case "source":
            return {_text(source) for sources in graph.sources.values() for source in sources}
    return set()


def _nothing(graph: Graph, term: Term) -> UsageError:
    if term.method != "name":
        known = sorted(_values(graph, term.method))
        listed = ", ".join(f"`{value}`" for value in known[:5])
        hint = did_you_mean(term.value, known) or (f"there are {listed}" if listed else "")
        return UsageError(f"no block matches `{term.method}:{term.value}`", hint=hint)
    if set(term.value) & set("*?["):
        return UsageError(f"no block matches `{term.value}`", hint="`sqlflow list` shows all blocks")
    if any(name.schema == term.value.lower() for name in graph.project.blocks):
        return UsageError(
            f"no such block: `{term.value}`", hint=f"`{term.value}` is a schema: `{term.value}.*` selects its blocks"
        )
    names = [_text(name) for name in graph.project.blocks] + [name.name for name in graph.project.blocks]
    shown = ", ".join(f"`{name}`" for name in sorted(map(_text, graph.project.blocks))[:5])
    hint = did_you_mean(term.value, names) or f"did you mean one of {shown}?"
    return UsageError(f"no such block: `{term.value}`", hint=hint)
