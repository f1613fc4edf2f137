"""The YAML between `/*---` and `---*/` at the top of a SQL file."""

import re

from msgspec import Struct

from sqlflow.core.errors import ProjectError
from sqlflow.core.node import Node
from sqlflow.core.text import SourceFile
from sqlflow.read.render import Template
from sqlflow.read.tags import has_tags
from sqlflow.read.yaml import parse

_OPENING = re.compile(r"/\*---[ \t]*\r?\n")
_CLOSING = re.compile(r"^---\*/", re.MULTILINE)
_ANY_OPENING = re.compile(r"^[ \t]*/\*---[ \t]*\r?$", re.MULTILINE)


class SqlFile(Struct, frozen=True):
    """A SQL file taken apart: its front matter, if there is any, and its SQL."""

    source: SourceFile
    front_matter: Node | None
    body: int

    @property
    def template(self) -> Template:
        """The SQL, at its own offsets: front matter is not rendered."""
        blank = re.sub(r"[^\n]", " ", self.source.text[: self.body])
        return Template(self.source, blank + self.source.text[self.body :], self.body)


def split(source: SourceFile) -> SqlFile:
    """Return the parts of a SQL file. Raise ProjectError if front matter is misplaced, doubled or not closed."""
    if has_tags(source.text):
        source = SourceFile(source.path, source.text.replace("\r\n", "\n"))
    text = source.text
    opening = _OPENING.match(text)
    if not opening:
        late = _ANY_OPENING.search(text)
        if late:
            raise ProjectError("front matter must begin on the first line of the file", source.place(late.start(), 5))
        return SqlFile(source, None, 0)
    closing = _CLOSING.search(text, opening.end())
    if not closing:
        raise ProjectError("the front matter is not closed", source.place(0, 5), "end it with a line `---*/`")
    second = _ANY_OPENING.search(text, opening.end())
    if second:
        message = "a second front matter begins here; a file has one"
        raise ProjectError(message, source.place(second.start(), 5))
    body = len(text) - len(text[closing.end() :].lstrip())
    return SqlFile(source, parse(source, opening.end(), closing.start()), body)
