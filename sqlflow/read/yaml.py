"""YAML as nodes that know their place, read with limits and without tags, aliases or duplicate keys.

Scalars follow YAML 1.2's core schema: `true` and `false` are the only Booleans, `12:30` is text. `yes`, `no`, `on`
and `off` are neither: readers disagree on them, so that the one who writes them is asked to be plain.
"""

import re
from collections.abc import Iterator
from datetime import date, datetime
from typing import Any

from msgspec import Struct

from sqlflow.core.errors import Problem, ProjectError
from sqlflow.core.node import Node
from sqlflow.core.text import Place, SourceFile

BYTES_AT_MOST = 1 << 20
DEPTH_AT_MOST = 64
_INTEGER = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_SPECIAL = {".inf": "inf", "+.inf": "inf", "-.inf": "-inf", ".nan": "nan"}
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?")
UNCLEAR = frozenset({"yes", "no", "on", "off"})


def parse(source: SourceFile, start: int = 0, end: int | None = None) -> Node | None:
    """Return the one document of `source`, or of its part; None if it is empty.

    Raise ProjectError, with the place, for anything that is not plain, bounded YAML.
    """
    import yaml

    text = source.text[start:end]
    if len(text.encode()) > BYTES_AT_MOST:
        raise ProjectError(f"larger than {BYTES_AT_MOST >> 20} MiB", Place(source.path))
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return _document(yaml.parse(text, Loader=loader), _Offsets(source, start))
    except yaml.MarkedYAMLError as error:
        raise ProjectError(_syntax_problem(error, source, start, text)) from error
    except yaml.reader.ReaderError as error:
        place = source.place(start + int(error.position))
        raise ProjectError("control character in YAML", place) from error


def _syntax_problem(error: Any, source: SourceFile, start: int, text: str) -> Problem:
    mark: Any = error.problem_mark or error.context_mark
    offset = min(start + mark.index, start + len(text.rstrip()))
    line = source.place(offset).text
    message = f"not valid YAML: {error.problem or error.context}"
    if "nesting depth" in message:  # the parser's own limit, which newer releases of it have
        return Problem(f"nested too deep: at most {DEPTH_AT_MOST} levels", source.place(offset))
    if "\t" in line[: len(line) - len(line.lstrip())] or "\\t" in (error.problem or ""):
        message = "not valid YAML: a tab is used to indent"
        return Problem(message, source.place(offset), "indent with spaces")
    if "undefined alias" in message:
        return Problem(
            message, source.place(offset), "aliases are not used here; put text that begins with `*` in quotes"
        )
    return Problem(message, source.place(offset))


class _Offsets(Struct, frozen=True):
    source: SourceFile
    start: int

    def problem(self, message: str, mark: Any, hint: str = "") -> ProjectError:
        return ProjectError(message, self.source.place(self.start + mark.index), hint)


def _document(events: Iterator[Any], where: _Offsets) -> Node | None:
    """Put the tree together from events, without recursion: the depth is bounded, and told."""
    import yaml

    root: Node | None = None
    open_nodes: list[tuple[Any, list[Node]]] = []
    documents = 0
    anchors: set[str | None] = set()
    for event in events:
        finished: Node | None = None
        match event:
            case yaml.DocumentStartEvent():
                documents += 1
                if documents > 1:
                    raise where.problem("a second document begins here; a file holds one document", event.start_mark)
            case yaml.AliasEvent():
                raise _alias_problem(event, anchors, [anchor.anchor for anchor, _ in open_nodes], where)
            case yaml.ScalarEvent():
                _refuse_tag(event, where)
                anchors.add(event.anchor)
                finished = Node(
                    "scalar",
                    where.source,
                    where.start + _index(event.start_mark),
                    event.value,
                    event.style not in (None, ""),
                )
            case yaml.SequenceStartEvent() | yaml.MappingStartEvent():
                _refuse_tag(event, where)
                anchors.add(event.anchor)
                open_nodes.append((event, []))
                if len(open_nodes) > DEPTH_AT_MOST:
                    raise where.problem(f"nested too deep: at most {DEPTH_AT_MOST} levels", event.start_mark)
            case yaml.SequenceEndEvent() | yaml.MappingEndEvent():
                begin, children = open_nodes.pop()
                finished = _collection(begin, children, where, _path(open_nodes))
        if finished is not None:
            if open_nodes:
                open_nodes[-1][1].append(finished)
            else:
                root = finished
    return None if root is None or root.is_null else root


def _index(mark: Any) -> int:
    return int(mark.index)


def _collection(begin: Any, children: list[Node], where: _Offsets, path: str) -> Node:
    import yaml

    offset = where.start + begin.start_mark.index
    if isinstance(begin, yaml.SequenceStartEvent):
        return Node("list", where.source, offset, items=tuple(children))
    pairs = tuple(zip(children[::2], children[1::2], strict=True))
    seen: set[str] = set()
    for key, _ in pairs:
        if key.kind != "scalar" or (not key.quoted and _FLOAT.fullmatch(key.text)):
            raise ProjectError("a key must be text", key.place, "put quotes round it")
        if key.text in seen:
            raise ProjectError(f"duplicate key `{path}{key.text}`", key.place)
        seen.add(key.text)
    return Node("mapping", where.source, offset, pairs=pairs)


def _path(open_nodes: list[tuple[Any, list[Node]]]) -> str:
    """Return the keys that lead to where the reading is, as `vars.`."""
    keys = [children[-1].text for _, children in open_nodes if children and len(children) % 2]
    return "".join(f"{key}." for key in keys)


def _refuse_tag(event: Any, where: _Offsets) -> None:
    if event.tag is not None and event.tag != "!":
        raise where.problem(f"the tag `{event.tag}` is not allowed", event.start_mark, "write the plain value")


def _alias_problem(event: Any, anchors: set[str | None], enclosing: list[str | None], where: _Offsets) -> ProjectError:
    name = event.anchor
    if name in enclosing:
        return where.problem(f"the alias `*{name}` holds itself", event.start_mark)
    if name not in anchors:
        return where.problem(f"undefined alias `{name}`", event.start_mark, "put text that begins with `*` in quotes")
    return where.problem(f"the alias `*{name}` is not allowed", event.start_mark, "write the value out")


def plain_value(node: Node) -> Any:
    """Return a node's value as text, number, Boolean, None, date, time, tuple or dict.

    Raise ProjectError for a word that YAML readers disagree on, and for an impossible date.
    """
    if node.kind == "list":
        return tuple(plain_value(item) for item in node.items)
    if node.kind == "mapping":
        return {key.text: plain_value(value) for key, value in node.pairs}
    if node.quoted or node.secret:
        return node.text
    return _scalar(node)


def _scalar(node: Node) -> Any:
    text = node.text
    if node.is_null:
        return None
    if text.lower() in ("true", "false") and text in (text.lower(), text.title(), text.upper()):
        return text.lower() == "true"
    if text.lower() in UNCLEAR:
        hint = f"put quotes round it for text, or write `{'true' if text.lower() in ('yes', 'on') else 'false'}`"
        raise ProjectError(f"`{text}` is text to some readers of YAML and a Boolean to others", node.place, hint)
    if _INTEGER.fullmatch(text) and (text.lstrip("+-") == "0" or not text.lstrip("+-").startswith("0")):
        if len(text) > 4000:
            raise ProjectError("the number is too large", node.source.place(node.offset))
        return int(text)
    if text.lower() in _SPECIAL:
        return float(_SPECIAL[text.lower()])
    if _FLOAT.fullmatch(text) and not _INTEGER.fullmatch(text):
        return float(text)
    if _DATE.fullmatch(text) or _TIME.fullmatch(text):
        try:
            return date.fromisoformat(text) if _DATE.fullmatch(text) else datetime.fromisoformat(text)
        except ValueError as error:
            raise ProjectError(
                f"`{text}` is not a possible date", node.place, "put quotes round it for text"
            ) from error
    return text
