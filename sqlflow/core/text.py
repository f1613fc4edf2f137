"""Text that knows where each piece of it was written."""

from bisect import bisect_right
from collections.abc import Callable, Iterator
from itertools import accumulate

from msgspec import Struct


class SourceFile(Struct, frozen=True):
    """A file of the project as it was read.

    `path` is relative to the project, with forward slashes. `text` has no byte order mark.
    """

    path: str
    text: str

    def place(self, offset: int, length: int = 1) -> "Place":
        """Return the place of the character at `offset` (0 is the first)."""
        offset = max(0, min(offset, len(self.text)))
        start = self.text.rfind("\n", 0, offset) + 1
        end = self.text.find("\n", offset)
        line_text = self.text[start : end if end >= 0 else len(self.text)].rstrip("\r")
        line = self.text.count("\n", 0, offset) + 1
        column = offset - start + 1
        return Place(self.path, line, column, line_text, max(1, min(length, len(line_text) - column + 1)))

    def line_place(self, line: int, column: int = 1, length: int = 1) -> "Place":
        """Return the place at `line` and `column`, both counted from 1."""
        lines = self.text.split("\n")
        line = max(1, min(line, len(lines)))
        return Place(self.path, line, column, lines[line - 1].rstrip("\r"), length)


class Place(Struct, frozen=True):
    """A spot in a file: line and column from 1 (0 is unknown), the line's text, and how long the spot is."""

    path: str
    line: int = 0
    column: int = 0
    text: str = ""
    length: int = 1

    def __str__(self) -> str:
        numbers = (str(number) for number in (self.line, self.column) if number)
        return ":".join((self.path, *numbers))


class Piece(Struct, frozen=True):
    """A run of characters with one origin.

    `moves` tells whether the piece is a copy of the source (its characters map one to one), or the
    value of an expression there (all its characters map to the expression).
    """

    text: str
    source: SourceFile | None = None
    offset: int = 0
    moves: bool = True

    def cut(self, start: int, end: int) -> "Piece":
        shift = start if self.moves else 0
        return Piece(self.text[start:end], self.source, self.offset + shift, self.moves)


class MappedText:
    """Text put together from pieces, each of which remembers its origin. It never changes."""

    __slots__ = ("_make", "_pieces", "_starts", "_text")

    def __init__(self, pieces: tuple[Piece, ...]) -> None:
        self._pieces: tuple[Piece, ...] | None = pieces
        self._make: Callable[[], tuple[Piece, ...]] | None = None
        self._text: str | None = None
        self._starts: tuple[int, ...] | None = None

    @classmethod
    def later(cls, make: Callable[[], tuple[Piece, ...]]) -> "MappedText":
        """Return the text of the pieces that `make` gives, which is asked when the text is first looked at."""
        text = cls(())
        text._pieces, text._make = None, make
        return text

    @property
    def pieces(self) -> tuple[Piece, ...]:
        if self._pieces is None:
            assert self._make is not None
            self._pieces = self._make()
        return self._pieces

    @property
    def text(self) -> str:
        if self._text is None:
            self._text = "".join([piece.text for piece in self.pieces])
        return self._text

    @property
    def _begins(self) -> tuple[int, ...]:
        """The offset at which each piece begins."""
        if self._starts is None:
            self._starts = tuple(accumulate((len(piece.text) for piece in self.pieces), initial=0))[:-1]
        return self._starts

    def __eq__(self, other: object) -> bool:
        return self.pieces == other.pieces if isinstance(other, MappedText) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.pieces)

    def __repr__(self) -> str:
        return f"MappedText({self.pieces!r})"

    @classmethod
    def plain(cls, text: str) -> "MappedText":
        """Return text of our own, which has no place in any file."""
        return cls((Piece(text),))

    @classmethod
    def whole(cls, source: SourceFile, start: int = 0, end: int | None = None) -> "MappedText":
        """Return the text of `source` from `start` up to `end`."""
        return cls((Piece(source.text[start:end], source, start),))

    def __add__(self, other: "MappedText | str") -> "MappedText":
        return MappedText(self.pieces + (MappedText.plain(other) if isinstance(other, str) else other).pieces)

    def __radd__(self, other: str) -> "MappedText":
        return MappedText.plain(other) + self

    def slice(self, start: int, end: int) -> "MappedText":
        """Return the characters from `start` up to, not including, `end`."""
        return MappedText(tuple(self._cuts(start, end)))

    def _cuts(self, start: int, end: int) -> Iterator[Piece]:
        """Yield the pieces of the characters from `start` up to, not including, `end`."""
        pieces, begins = self.pieces, self._begins
        for index in range(max(0, bisect_right(begins, start) - 1), len(pieces)):
            begin, piece = begins[index], pieces[index]
            if begin >= end:
                return
            low, high = max(start - begin, 0), min(end - begin, len(piece.text))
            if low < high:
                yield piece.cut(low, high)

    def replaced(self, edits: "list[tuple[int, int, str]]") -> "MappedText":
        """Return the text with each `(start, end, new)` replaced; the rest is untouched.

        Edits are offsets into this text and do not overlap. A replacement has the origin of what it replaces.
        """
        pieces: list[Piece] = []
        position = 0
        for start, end, new in sorted(edits, key=lambda edit: edit[:2]):
            pieces += self._cuts(position, start)
            origin = self._spot(start)
            pieces.append(Piece(new, origin.source, origin.offset, moves=False))
            position = end
        pieces += self._cuts(position, len(self.text))
        return MappedText(tuple(pieces))

    def _spot(self, offset: int, length: int = 0) -> Piece:
        """Return the piece that begins at `offset`, with at most so much of its text."""
        if not self.pieces:
            return Piece("")
        index = max(0, bisect_right(self._begins, offset) - 1)
        begin = offset - self._begins[index]
        return self.pieces[index].cut(begin, begin + length)

    def origin(self, offset: int) -> Piece:
        """Return what stands at `offset`, up to where another piece begins."""
        return self._spot(offset, len(self.text))

    def place(self, offset: int, length: int = 1) -> Place | None:
        """Return where in the user's file the character at `offset` comes from; None for text of our own."""
        piece = self._spot(offset)
        if piece.source is None:
            return None
        return piece.source.place(piece.offset, length if piece.moves else 1)
