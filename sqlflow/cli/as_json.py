"""Values of the core as JSON, in one form for reports, plans and events."""

import re
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from sqlflow.core.errors import Problem
from sqlflow.core.names import TableName
from sqlflow.core.text import Place


def plain(value: Any) -> Any:
    """Return a value as JSON can hold it: names as text, structs as objects, all else by its text."""
    match value:
        case None | bool() | int() | float() | str():
            return value
        case TableName():
            return str(value)
        case Problem():
            return {"message": value.message, "place": plain(value.place), "hint": value.hint}
        case Place():
            return {"path": value.path, "line": value.line, "column": value.column}
        case Mapping():
            return {str(plain(key)): plain(item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [plain(item) for item in value]
        case Struct():
            return {name: plain(getattr(value, name)) for name in value.__struct_fields__}
    return str(value)


def event(value: Any) -> dict[str, Any]:
    """Return an event as an object whose `event` is its kind, as `block_built`."""
    kind = re.sub(r"(?<!^)(?=[A-Z])", "_", type(value).__name__).lower()
    return {"event": kind, **plain(value)}


def text(value: Any) -> str:
    """Return JSON on one line; numbers that JSON does not know become null."""
    import msgspec

    return msgspec.json.encode(value).decode()
