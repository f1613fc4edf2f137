"""Values of Python as R code that gives them."""

import math
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

_INTEGER = 1 << 31
_EXACT = 1 << 53


def r_literal(value: Any) -> str:
    """Return R code for a value: text, a number, a Boolean, None, a time, or lists and mappings of them.

    Lists and mappings are R lists; a list of values of one kind is a vector. Raise ValueError for what R cannot hold.
    """
    match value:
        case None:
            return "NULL"
        case bool():
            return "TRUE" if value else "FALSE"
        case int():
            return _integer(value)
        case float():
            return _double(value)
        case str():
            return _text(value)
        case datetime():
            seconds = (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
            return f'.POSIXct({_double(seconds)}, "UTC")'
        case date():
            return f"as.Date({_text(value.isoformat())})"
        case Mapping():
            return "list(" + ", ".join(f"{_name(str(key))} = {r_literal(one)}" for key, one in value.items()) + ")"
        case list() | tuple():
            return _collection(list(value))
    raise ValueError(f"`{value!r}` has no form in R")


def _collection(values: list[Any]) -> str:
    kinds = {type(one) for one in values}
    plain = len(kinds) == 1 and kinds <= {str, int, float, bool}
    return f"{'c' if plain else 'list'}(" + ", ".join(r_literal(one) for one in values) + ")"


def _integer(value: int) -> str:
    if abs(value) < _INTEGER:
        return f"{value}L"
    if abs(value) > _EXACT:
        raise ValueError(f"the number {value} is more than R's doubles hold: give it as text")
    return str(value)


def _double(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return ("-" if value < 0 else "") + "Inf" if math.isinf(value) else value.hex()


def _name(name: str) -> str:
    return "`" + _text(name)[1:-1].replace("`", "\\`").replace('\\"', '"') + "`"


def _text(text: str) -> str:
    if "\0" in text:
        raise ValueError("a text of R holds no NUL")
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(one if one.isprintable() else f"\\U{{{ord(one):x}}}" for one in escaped) + '"'
