"""From literals of Python source to nodes that know their place."""

import ast
from collections.abc import Iterable

from sqlflow.core.errors import ProjectError
from sqlflow.core.node import Node
from sqlflow.core.text import Place, SourceFile

_RENAMED = {"assertions": "assert", "assert_": "assert"}
"""Keys that cannot be names of Python parameters."""


class Offsets:
    """Turns the line and byte column of a syntax tree into offsets of the file's text."""

    def __init__(self, source: SourceFile) -> None:
        self.source = source
        self._lines = source.text.split("\n")
        self._starts = [0]
        for line in self._lines:
            self._starts.append(self._starts[-1] + len(line) + 1)

    def at(self, line: int, column: int) -> int:
        """Return the offset of a line (from 1) and a column (UTF-8 bytes, from 0)."""
        text = self._lines[line - 1]
        characters = column if text.isascii() else len(text.encode()[:column].decode(errors="ignore"))
        return self._starts[line - 1] + characters

    def start(self, node: ast.expr | ast.arg | ast.stmt | ast.keyword | ast.alias) -> int:
        return self.at(node.lineno, node.col_offset)

    def end(self, node: ast.expr | ast.arg | ast.stmt | ast.keyword) -> int:
        return self.at(node.end_lineno or node.lineno, node.end_col_offset or node.col_offset)


def settings(call: ast.Call | None, offsets: Offsets) -> Node | None:
    """Return the keyword arguments of a decorator as a mapping. Raise ProjectError for all that is no literal."""
    if call is None:
        return None
    if call.args:
        message = "a decorator takes settings by name alone"
        raise ProjectError(message, place_of(call.args[0], offsets), 'write `materialize="table"`')
    pairs = []
    for keyword in call.keywords:
        if keyword.arg is None:
            raise _no_literal(keyword.value, offsets)
        key = Node("scalar", offsets.source, offsets.start(keyword), _RENAMED.get(keyword.arg, keyword.arg), True)
        pairs.append((key, node(keyword.value, offsets)))
    return Node("mapping", offsets.source, offsets.start(call), pairs=tuple(pairs))


def node(value: ast.expr, offsets: Offsets) -> Node:
    """Return a literal as a node. Raise ProjectError, at its place, for anything else."""
    start = offsets.start(value)
    match value:
        case ast.Constant(value=str() as text):
            return Node("scalar", offsets.source, _content_start(text, start, offsets), text, True)
        case ast.Constant(value=bool() | int() | float() | None as plain):
            return Node("scalar", offsets.source, start, _plain(plain))
        case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=ast.Constant(value=int() | float() as number)):
            return Node("scalar", offsets.source, start, _plain(-number if isinstance(value.op, ast.USub) else number))
        case ast.List(elts=items) | ast.Tuple(elts=items):
            return Node("list", offsets.source, start, items=_nodes(items, offsets))
        case ast.Dict(keys=keys, values=values):
            named = [key for key in keys if isinstance(key, ast.Constant) and isinstance(key.value, str)]
            if len(named) != len(keys):
                raise _no_literal(value, offsets)
            pairs = tuple(zip(_nodes(named, offsets), _nodes(values, offsets), strict=True))
            return Node("mapping", offsets.source, start, pairs=pairs)
    raise _no_literal(value, offsets)


def _nodes(values: Iterable[ast.expr], offsets: Offsets) -> tuple[Node, ...]:
    return tuple(node(value, offsets) for value in values)


def _plain(value: bool | int | float | None) -> str:
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else repr(value)


def _content_start(text: str, start: int, offsets: Offsets) -> int:
    """Return the offset of the quote right before a text's first character: a text may begin with `r` and three quotes."""
    first = text[:1]
    found = offsets.source.text.find(first, start) if first and first not in "\"'\\" else -1
    return found - 1 if start < found <= start + 5 else start


def place_of(value: ast.expr | ast.arg | ast.stmt, offsets: Offsets) -> Place:
    """Return where an expression stands."""
    return offsets.source.place(offsets.start(value), offsets.end(value) - offsets.start(value))


def _no_literal(value: ast.expr, offsets: Offsets) -> ProjectError:
    shown = ast.unparse(value)
    message = f"`{shown if len(shown) < 60 else shown[:60] + '…'}` is no literal: a Python file is read, and not run"
    return ProjectError(
        message, place_of(value, offsets), "write the value itself: text, a number, True, False, None, a list or a dict"
    )
