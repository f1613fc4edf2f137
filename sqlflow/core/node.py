"""What a configuration says, as values that know where they were written."""

from msgspec import Struct

from sqlflow.core.text import Place, SourceFile


class Node(Struct, frozen=True):
    """A value as it was written: `kind` tells which of `text`, `items` and `pairs` holds it."""

    kind: str
    """scalar, list or mapping; missing for a value that the environment should have given"""
    source: SourceFile
    offset: int
    text: str = ""
    quoted: bool = False
    items: tuple["Node", ...] = ()
    pairs: tuple[tuple["Node", "Node"], ...] = ()
    secret: bool = False
    """Whether the text came from the environment: no message may show it."""

    @property
    def shown(self) -> str:
        """The text as a message may have it."""
        return "***" if self.secret else self.text[:80]

    @property
    def place(self) -> Place:
        return self.source.place(self.offset, max(1, len(self.text.split("\n", 1)[0])) if self.kind == "scalar" else 1)

    @property
    def is_null(self) -> bool:
        return self.kind == "scalar" and not self.quoted and self.text in ("", "~", "null", "Null", "NULL")

    def get(self, key: str) -> "Node | None":
        return next((value for name, value in self.pairs if name.text == key), None)
