"""SQL whose clock stands still: all that asks for the time gets the same moment."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlflow.core.text import MappedText

_WORDS = {
    "current_date": "date", "current_time": "time with time zone", "current_timestamp": "timestamp with time zone",
    "localtime": "time", "localtimestamp": "timestamp",
}  # fmt: skip
"""What stands without brackets; with brackets too, around a precision or nothing."""
_CALLS = {
    "now": "timestamp with time zone", "get_current_timestamp": "timestamp with time zone",
    "transaction_timestamp": "timestamp with time zone", "statement_timestamp": "timestamp with time zone",
    "clock_timestamp": "timestamp with time zone", "today": "date", "get_current_time": "time with time zone",
    "current_localtime": "time", "current_localtimestamp": "timestamp",
}  # fmt: skip


def stopped(text: MappedText, moment: datetime, dialect: str) -> MappedText:
    """Return a query in which every function of the clock is the `moment`, in the time zone of the session."""
    from sqlglot.dialects import Dialect

    tokens = Dialect.get_or_raise(dialect).tokenize(text.text)
    return text.replaced([(start, end, _value(kind, moment)) for start, end, kind in _found(tokens)])


def _value(kind: str, moment: datetime) -> str:
    literal = f"cast('{moment.isoformat(sep=' ')}' as timestamp with time zone)"
    if kind == "timestamp with time zone":
        return literal
    return f"cast(cast({literal} as timestamp) as time)" if kind == "time" else f"cast({literal} as {kind})"


def _found(tokens: Sequence[Any]) -> Iterator[tuple[int, int, str]]:
    """Yield where the clock is asked, and for what."""
    for at, token in enumerate(tokens):
        word = token.text.lower()
        before, after = tokens[at - 1].text.lower() if at else "", [one.text for one in tokens[at + 1 : at + 4]]
        if token.token_type.name in ("STRING", "IDENTIFIER") or before in (".", "as") or after[:1] == ["."]:
            continue
        brackets = 2 if after[:2] == ["(", ")"] else 3 if after[:1] == ["("] and after[2:] == [")"] else 0
        if word in _WORDS:
            yield token.start, tokens[at + brackets].end + 1, _WORDS[word]
        elif word in _CALLS and brackets == 2:
            yield token.start, tokens[at + 2].end + 1, _CALLS[word]
