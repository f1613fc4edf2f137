"""What the tokens of SQL tell by themselves: for SQL that no parser reads, and for what tells two queries apart."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import pairwise
from typing import Any

from sqlflow.core.block import TableUse
from sqlflow.core.engine import Engine
from sqlflow.core.names import TableName
from sqlflow.read.stability import stability

_BEFORE_TABLE = frozenset(
    {"FROM", "JOIN", "PIVOT", "PIVOT_WIDER", "PIVOT_LONGER", "UNPIVOT", "TABLE", "DESCRIBE", "SUMMARIZE", "ONLY", ","}
)
_CLOCKS = frozenset(
    {"CURRENT_DATE", "CURRENT_TIME", "CURRENT_TIMESTAMP", "LOCALTIME", "LOCALTIMESTAMP", "CURRENT_USER", "SESSION_USER"}
)


_SAMPLES = frozenset({"TABLESAMPLE", "SAMPLE"})
_RESERVED = frozenset(
    [
        "all",
        "and",
        "any",
        "as",
        "asc",
        "both",
        "case",
        "cast",
        "check",
        "collate",
        "cross",
        "default",
        "desc",
        "distinct",
        "else",
        "end",
        "except",
        "for",
        "from",
        "full",
        "group",
        "having",
        "in",
        "inner",
        "intersect",
        "into",
        "is",
        "join",
        "lateral",
        "leading",
        "left",
        "like",
        "limit",
        "natural",
        "not",
        "null",
        "offset",
        "on",
        "only",
        "or",
        "order",
        "outer",
        "qualify",
        "right",
        "select",
        "some",
        "table",
        "then",
        "trailing",
        "union",
        "unique",
        "using",
        "when",
        "where",
        "window",
        "with",
    ]
)
"""Words that are no names of columns in DuckDB and Postgres, unless they are quoted."""


@cache
def dialect_of(name: str) -> Any:
    """Return a dialect of sqlglot. Making one takes as long as reading a short query."""
    from sqlglot.dialects import Dialect

    return Dialect.get_or_raise(name)


def tokens_of(text: str, dialect: str) -> list[Any]:
    """Return the tokens of SQL. Raise sqlglot's TokenError where there are none."""
    tokens: list[Any] = dialect_of(dialect).tokenize(text)
    return tokens


_AS_WRITTEN = frozenset(
    {"IDENTIFIER", "OBJECT_IDENTIFIER", "STRING", "BIT_STRING", "BYTE_STRING", "HEREDOC_STRING", "HEX_STRING",
     "NATIONAL_STRING", "NATIONAL_RAW_STRING", "RAW_STRING", "UNICODE_STRING"}
)  # fmt: skip
"""Kinds of tokens whose case counts everywhere."""


@cache
def _kinds() -> dict[Any, str]:
    """Return the names of the kinds of tokens: asking an enum for one takes as long as ten looks into a dictionary."""
    from sqlglot import TokenType

    return {kind: kind.name for kind in TokenType}


def code(tokens: Sequence[Any], engine: Engine) -> str:
    """Return what makes two texts the same query: their tokens, each with its kind, in lower case where case tells nothing.

    An engine that keeps the case of names shows it in those of columns: there it is set aside of functions and of words
    that no name can be, unless they stand where one may, behind AS or a dot.
    """
    kinds, folds = _kinds(), engine.folds_names
    before, pieces = "", []
    for number, token in enumerate(tokens, 1):
        kind, text = kinds[token.token_type], token.text
        lower = text.lower()
        if text != lower and kind not in _AS_WRITTEN and text.isascii():  # most words are in lower case
            is_call = number < len(tokens) and tokens[number].text == "("
            if folds or (before not in ("ALIAS", "DOT") and (is_call or lower in _RESERVED)):
                text = lower
        pieces.append(f"{kind} {text}")
        before = kind
    return hashlib.blake2b("\x00".join(pieces).encode(), digest_size=16).hexdigest()


def volatile(tokens: Sequence[Any], engine: Engine) -> str:
    """Return why the tokens may give another result each time; empty if nothing of them does."""
    if not _may_be_volatile([token.text for token in tokens], engine):
        return ""
    before = None
    for token in tokens:
        text = token.text
        if text == "(" and before is not None and stability(engine, before.text.lower()) == "volatile":
            return f"`{before.text}()` gives another value each time"
        word = text.upper()
        if word in _CLOCKS and token.token_type.name != "STRING":
            return f"`{text}` gives another value each time"
        if word in _SAMPLES and _is_sample(token, before):
            return "a sample is another one each time"
        if (shown := _of_now(token, before, engine)) is not None:
            return f"`{shown}` may be something else each time"
        before = token
    return ""


def _may_be_volatile(texts: Sequence[str], engine: Engine) -> bool:
    """Tell whether one of the tokens may, in some place, stand for what is another value each time: few queries have any.

    Those of a project share most of their words, each of which is asked for once.
    """
    told = _told(engine.name)
    words = {*texts, *(f"{text}(" for text, following in pairwise(texts) if following == "(")}
    for word in words.difference(told):
        lower, upper = word.lower(), word.upper()
        told[word] = (
            upper in _CLOCKS or upper in _SAMPLES or engine.is_of_now(lower, True) or engine.is_of_now(lower, False)
            or (lower.endswith("(") and stability(engine, lower[:-1]) == "volatile")
        )  # fmt: skip
    return any(map(told.__getitem__, words))


@cache
def _told(engine: str) -> dict[str, bool]:
    return {}


def _of_now(token: Any, before: Any, engine: Engine) -> str | None:
    """Return a word or a text that stands for what the clock or the session says; None for what does not."""
    kind = token.token_type.name
    if not engine.is_of_now(token.text.lower(), kind == "STRING"):
        return None
    if kind == "STRING":
        return f"'{token.text}'"
    is_name = kind == "IDENTIFIER" or (before is not None and before.token_type.name in ("ALIAS", "DOT"))
    return None if is_name else token.text


def _is_sample(token: Any, before: Any) -> bool:
    """Tell whether a word asks for a sample: it may be a name as well, unless `using` stands before it."""
    kind = token.token_type.name
    return kind not in ("STRING", "IDENTIFIER", "VAR") or (
        kind == "VAR" and before is not None and before.text.upper() == "USING"
    )


def unknown(functions: Iterable[str], engine: Engine) -> str:
    """Return why one of the functions may give another result each time; empty if the engine vouches for all."""
    for name in functions:
        if stability(engine, name) != "stable":
            return f"`{name}()` is not known to give the same each time"
    return ""


def named_uses(text: str, names: frozenset[TableName], dialect: str, anywhere: bool = False) -> tuple[TableUse, ...]:
    """Return where `text` names the given tables, told by tokens alone: for SQL that no parser reads.

    With `anywhere`, also behind words such as `insert into`, `update` or `on`, and before a bracket.
    """
    return tuple(token_uses(tokens_of(text, dialect), text, names, anywhere))


def token_uses(
    tokens: Sequence[Any], sql: str, names: frozenset[TableName], anywhere: bool = False
) -> Iterator[TableUse]:
    """Yield the runs of tokens that name one of `names` where a table may stand."""
    index = 0
    while index < len(tokens):
        before = tokens[index - 1].text.upper() if index else ""
        run = _dotted(tokens, index)
        if run and (anywhere or before in _BEFORE_TABLE):
            name = TableName.of(*(tokens[part].text for part in run[-3:]))
            following = tokens[run[-1] + 1] if run[-1] + 1 < len(tokens) else None
            if name in names and (anywhere or following is None or following.text != "("):
                aliased = _has_alias(following) or before in ("DESCRIBE", "SUMMARIZE", "TABLE")
                yield TableUse(name, tokens[run[0]].start, tokens[run[-1]].end + 1, aliased)
        index = run[-1] + 1 if run else index + 1


def cte_names(tokens: Sequence[Any]) -> frozenset[str]:
    """Return the names that stand before `as (`, with or without a list of columns between."""
    found: set[str] = set()
    for index, token in enumerate(tokens):
        if token.text.upper() != "AS" or index == 0:
            continue
        following = [after.text.upper() for after in tokens[index + 1 : index + 4]]
        while following and following[0] in ("NOT", "MATERIALIZED"):
            following.pop(0)
        if following[:1] == ["("]:
            found.add(tokens[_before_brackets(tokens, index - 1)].text.lower())
    return frozenset(found)


def _before_brackets(tokens: Sequence[Any], index: int) -> int:
    """Return the index of the token before a bracketed list that ends at `index`, or `index` itself."""
    if tokens[index].text != ")":
        return index
    while index > 0 and tokens[index].text != "(":
        index -= 1
    return max(0, index - 1)


def _dotted(tokens: Sequence[Any], index: int) -> list[int]:
    words = ("VAR", "IDENTIFIER")
    run: list[int] = []
    while index < len(tokens) and (tokens[index].token_type.name in words or tokens[index].text.isidentifier()):
        run.append(index)
        if index + 1 >= len(tokens) or tokens[index + 1].text != ".":
            break
        index += 2
    return run


def _has_alias(token: Any) -> bool:
    return token is not None and token.token_type.name in ("ALIAS", "VAR", "IDENTIFIER")
