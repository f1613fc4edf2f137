"""R's tokens with their places, and what they tell by themselves.

The grammar is that of R 4, raw strings, `\\(x)` and `|>` included: `?Syntax`, `?Quotes`, `?NumericConstants` in R.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from sqlflow.core.errors import ProjectError
from sqlflow.core.text import SourceFile

_TOKEN = re.compile(
    r"""
      (?P<comment>\#[^\n]*)
    | (?P<end>[\n;])
    | (?P<space>[ \t\r\f]+)
    | (?P<raw>[rR](?P<quote>["'])(?P<dashes>-*)(?:\((?s:.*?)\)|\[(?s:.*?)\]|\{(?s:.*?)\})(?P=dashes)(?P=quote))
    | (?P<string>"(?s:[^"\\]|\\.)*"|'(?s:[^'\\]|\\.)*')
    | (?P<quoted>`(?s:[^`\\]|\\.)*`)
    | (?P<number>(?:0[xX][0-9a-fA-F]*(?:\.[0-9a-fA-F]*)?(?:[pP][-+]?\d+)?|(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)[Li]?)
    | (?P<name>(?:[^\W\d_]|\.(?!\d))[\w.]*)
    | (?P<operator>%[^%\n]*%|<<-|->>|<-|->|:::|::|:=|<=|>=|==|!=|&&|\|\||\|>|[-+*/^<>=!&|~?:$@\\_,()\[\]{}])
    """,
    re.VERBOSE,
)
_RAW_OPENING = re.compile(r"[rR][\"']-*[(\[{]")
_ESCAPE = re.compile(
    r"\\(?:x(?P<x>[0-9a-fA-F]{1,2})|(?P<octal>[0-7]{1,3})|u\{?(?P<u>[0-9a-fA-F]{1,4})\}?"
    r"|U\{?(?P<U>[0-9a-fA-F]{1,8})\}?|(?P<plain>(?s:.)))"
)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}
_CLOSES = {")": "(", "]": "[", "}": "{"}
_HEADS = frozenset({"function", "\\", "if", "while", "for"})
_OPEN_ENDED = "<<- ->> <- -> ::: :: := <= >= == != && || |> - + * / ^ < > = ! & | ~ ? : $ @ \\ function else repeat in"
_GOES_ON = frozenset(_OPEN_ENDED.split())
"""Behind these an expression goes on, on the next line too."""
_TYPOGRAPHIC = frozenset("\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f\u00b4\u2032\u2033")
_CONSTANTS = {"TRUE": True, "FALSE": False, "NULL": None}


class Token(Struct, frozen=True):
    """A piece of R: `kind` is comment, end, raw, string, quoted (in back quotes), number, name or operator."""

    kind: str
    text: str
    start: int
    end: int
    head: bool = False
    """Whether it is the bracket that closes the head of a function, `if`, `while` or `for`: more must follow."""

    @property
    def name(self) -> str:
        """What a name says, with or without back quotes; empty for other kinds."""
        return self.text if self.kind == "name" else _unescaped(self.text[1:-1]) if self.kind == "quoted" else ""

    @property
    def is_string(self) -> bool:
        return self.kind in ("string", "raw")

    @property
    def content(self) -> tuple[int, int]:
        """The offsets of what stands between a string's quotes."""
        opening = _RAW_OPENING.match(self.text)
        width = opening.end() if opening and self.kind == "raw" else 1
        return self.start + width, self.end - (width - 1 if self.kind == "raw" else 1)

    @property
    def value(self) -> str:
        """What a string says."""
        start, end = self.content
        inside = self.text[start - self.start : end - self.start]
        return inside if self.kind == "raw" else _unescaped(inside)


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(_escaped_character, text) if "\\" in text else text


def _escaped_character(match: re.Match[str]) -> str:
    for group, base in (("x", 16), ("octal", 8), ("u", 16), ("U", 16)):
        if match[group]:
            return chr(min(int(match[group], base), 0x10FFFF))
    return _ESCAPED.get(match["plain"], match["plain"])


def tokens(source: SourceFile) -> tuple[Token, ...]:
    """Return the tokens of a file, comments and ends of lines among them. Raise ProjectError where R could read none.

    An end of line or a `;` is told only where it may end an expression: not inside of `(` and `[`.
    """
    found: list[Token] = []
    open_brackets: list[Token] = []
    heads: list[bool] = []
    before: Token | None = None
    for piece in _pieces(source):
        token = piece
        if token.kind == "end" and token.text == "\n" and open_brackets and open_brackets[-1].text != "{":
            continue
        if token.text in ("(", "[", "{") and token.kind == "operator":
            heads.append(before is not None and before.text in _HEADS and before.kind in ("name", "operator"))
            open_brackets.append(token)
        elif token.text in _CLOSES and token.kind == "operator":
            _close(token, open_brackets, source)
            token = replace(token, head=heads.pop())
        if token.kind not in ("comment", "end"):
            before = token
        found.append(token)
    if open_brackets:
        last = open_brackets[-1]
        raise ProjectError(f"the `{last.text}` that opens here is not closed", source.place(last.start))
    return tuple(found)


def _pieces(source: SourceFile) -> Iterator[Token]:
    offset, text = 0, source.text
    while offset < len(text):
        match = _TOKEN.match(text, offset)
        if match is None:
            raise _unreadable(source, offset)
        kind = match.lastgroup or ""
        kind = next(name for name in ("raw", kind) if match[name] is not None)
        if kind != "space":
            yield Token(kind, match.group(), match.start(), match.end())
        offset = match.end()


def _unreadable(source: SourceFile, offset: int) -> ProjectError:
    character = source.text[offset]
    place = source.place(offset)
    if character in "\"'`":
        return ProjectError(f"the text that begins with {character} here is not closed", place)
    if character in _TYPOGRAPHIC:
        return ProjectError(f"the typographic quote {character} is no R quote", place, "use \" or '")
    if character.isspace():
        return ProjectError(f"the blank U+{ord(character):04X} is none to R", place, "write a plain blank")
    return ProjectError(f"`{character}` has no meaning to R here", place)


def _close(token: Token, open_brackets: list[Token], source: SourceFile) -> None:
    if not open_brackets:
        raise ProjectError(f"the `{token.text}` closes nothing", source.place(token.start))
    opening = open_brackets.pop()
    if opening.text != _CLOSES[token.text]:
        line = source.place(opening.start).line
        message = f"the `{token.text}` does not close the `{opening.text}` of line {line}"
        raise ProjectError(message, source.place(token.start))


def expressions(found: Sequence[Token]) -> Iterator[tuple[Token, ...]]:
    """Yield the outermost expressions of a file, each without comments."""
    current: list[Token] = []
    depth = 0
    for token in found:
        if token.kind == "comment":
            continue
        if token.kind == "end" and depth == 0:
            if current and not (token.text == "\n" and _goes_on(current)):
                yield tuple(current)
                current = []
            continue
        if token.kind == "operator":
            depth += (token.text in ("(", "[", "{")) - (token.text in _CLOSES)
        current.append(token)
    if current:
        yield tuple(current)


def _goes_on(current: Sequence[Token]) -> bool:
    """Tell whether an expression cannot end here, so that the next line belongs to it."""
    last = current[-1]
    return last.head or (last.kind in ("name", "operator") and (last.text in _GOES_ON or last.text.startswith("%")))


def closing(found: Sequence[Token], opening: int) -> int:
    """Return the index of the bracket that closes the one at index `opening`."""
    depth = 0
    for index in range(opening, len(found)):
        if found[index].kind == "operator":
            depth += (found[index].text in ("(", "[", "{")) - (found[index].text in _CLOSES)
        if depth == 0:
            return index
    return len(found) - 1


def parts(found: Sequence[Token]) -> Iterator[tuple[Token, ...]]:
    """Yield what stands between the outermost commas."""
    current: list[Token] = []
    depth = 0
    for token in found:
        if token.kind == "operator":
            depth += (token.text in ("(", "[", "{")) - (token.text in _CLOSES)
            if token.text == "," and depth == 0:
                yield tuple(current)
                current = []
                continue
        if token.kind not in ("comment", "end"):
            current.append(token)
    if current:
        yield tuple(current)


def canonical(found: Sequence[Token]) -> str:
    """Return what makes two pieces of R the same code: comments, white space and empty lines do not count."""
    kept: list[str] = []
    before: Token | None = None
    for token in found:
        if token.kind == "comment":
            continue
        if token.kind == "end":
            if before is not None and before.kind != "end" and before.text != "{" and not _goes_on([before]):
                before = token
            continue
        if before is not None and before.kind == "end" and token.text != "}":
            kept.append(";")
        kept.append(token.text)
        before = token
    return "\x00".join(kept)


def literal(found: Sequence[Token]) -> tuple[bool, Any]:
    """Return whether an expression is a literal, and its value: `c(…)` and `list(…)` of literals give tuples and dicts."""
    match [(token.kind, token.text) for token in found]:
        case [("string" | "raw", _)]:
            return True, found[0].value
        case [("number", text)] if not text.endswith("i"):
            return _number(text)
        case [("name", text)] if text in _CONSTANTS:
            return True, _CONSTANTS[text]
        case [("operator", "-" | "+" as sign), ("number", text)] if not text.endswith("i"):
            known, value = _number(text)
            return known, -value if sign == "-" else value
        case [("name", "c" | "list"), ("operator", "("), *_, ("operator", ")")] if closing(found, 1) == len(found) - 1:
            return _collection(found[2:-1])
    return False, None


def _number(text: str) -> tuple[bool, Any]:
    digits = text.removesuffix("L")
    if digits[:2] in ("0x", "0X"):
        value = float.fromhex(digits) if set("pP.") & set(digits) else float(int(digits, 16))
    else:
        value = float(digits)
    return True, int(value) if text.endswith("L") and value.is_integer() else value


def _collection(found: Sequence[Token]) -> tuple[bool, Any]:
    values: list[Any] = []
    named: dict[str, Any] = {}
    for part in parts(found):
        is_named = len(part) > 2 and part[1].text == "=" and part[0].kind != "operator"
        known, value = literal(part[2:] if is_named else part)
        if not known:
            return False, None
        if is_named:
            named[part[0].value if part[0].is_string else part[0].name] = value
        else:
            values.append(value)
    return (False, None) if named and values else (True, named or tuple(values))
