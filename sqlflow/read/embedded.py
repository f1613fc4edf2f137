"""SQL that stands in YAML: a template at its own place in the file."""

import re

from sqlflow.core.node import Node
from sqlflow.read.render import Template


def embedded(node: Node) -> Template:
    """Return the template that a YAML text is, at its place in the file where the two are the same characters."""
    text = node.source.text
    start = node.offset + (1 if node.quoted and text[node.offset : node.offset + 1] in "'\"" else 0)
    if text[start : start + len(node.text)] == node.text:
        return Template(node.source, re.sub(r"[^\n]", " ", text[:start]) + node.text, start)
    lines = _lines_in_file(node)
    if lines is not None:
        start, end = lines
        return Template(node.source, re.sub(r"[^\n]", " ", text[:start]) + text[start:end], start)
    line = text.count("\n", 0, node.offset)
    shifted = type(node.source)(node.source.path, "\n" * (line + (1 if node.text.count("\n") else 0)) + node.text)
    return Template(shifted, shifted.text, shifted.text.index(node.text))


def _lines_in_file(node: Node) -> tuple[int, int] | None:
    """Return from where to where a text of several lines stands in its file.

    None where the file has more than other line ends and indents, or where these would matter to SQL.
    """
    text = node.source.text
    style = text[node.offset]
    start = end = text.find("\n", node.offset) + 1 if style in "|>" else node.offset + node.quoted
    for word in node.text.split():
        while text[end : end + 1].isspace():
            end += 1
        if not text.startswith(word, end):
            return None
        end += len(word)
    lines = text[start:end].split("\n")
    is_same = all(line.count("'") % 2 == 0 and (style == "|" or "--" not in line) for line in lines)
    return (start, end) if is_same else None
