"""Types of SQL as far as they can be told without an engine: which go together, and which an expression has."""

from functools import lru_cache
from typing import Any

UNKNOWN = "unknown"
"""The type of what has one that cannot be told."""
_NUMBERS = ("smallint", "integer", "bigint", "numeric")
_SPELLED = {
    "int": "integer", "bool": "boolean", "varchar": "character varying", "char": "character", "decimal": "numeric",
    "timestamp": "timestamp without time zone", "timestamptz": "timestamp with time zone", "float": "real",
    "time": "time without time zone", "timetz": "time with time zone",
}  # fmt: skip


def conflict(one: str, other: str, dialect: Any) -> bool:
    """Tell whether two types are known that no engine compares or unites."""
    families = _family(one, dialect), _family(other, dialect)
    return "" not in families and families[0] != families[1]


@lru_cache(maxsize=4096)
def _family(kind: str, dialect: Any) -> str:
    """Return the family of a type within which types go together; empty where that is not known."""
    from sqlglot import exp
    from sqlglot.errors import SqlglotError

    if not kind or kind == UNKNOWN:
        return ""
    try:
        found = exp.DataType.build(kind, dialect=dialect).this
    except (SqlglotError, ValueError):
        return ""
    if found in exp.DataType.NUMERIC_TYPES:
        return "number"
    if found.name in ("TEXT", "VARCHAR", "CHAR", "NAME", "BPCHAR"):
        return "text"
    if found.name in ("DATE", "TIMESTAMP", "TIMESTAMPTZ", "TIMESTAMPNTZ"):
        return "time"
    return found.name if found.name in ("BOOLEAN", "UUID", "VARBINARY") else ""


def result(node: Any, kinds: list[str], dialect: Any) -> str:
    """Return the type of an expression whose parts have the given types, where that is simple."""
    from sqlglot import exp

    match node:
        case exp.Literal():
            if node.is_string:
                return UNKNOWN
            return "numeric" if not node.this.isdigit() else "integer" if int(node.this) < 2**31 else UNKNOWN
        case exp.Cast() if not isinstance(node, exp.TryCast):
            base, bracket, size = str(node.to.sql(dialect)).lower().partition("(")
            return _SPELLED.get(base, base) + bracket + size.replace(" ", "")
        case exp.Alias() | exp.Paren():
            return kinds[0] if len(kinds) == 1 else UNKNOWN
        case exp.Max() | exp.Min() | exp.Neg():
            return kinds[0].partition("(")[0] if len(kinds) == 1 else UNKNOWN
        case (
            exp.EQ()
            | exp.NEQ()
            | exp.LT()
            | exp.LTE()
            | exp.GT()
            | exp.GTE()
            | exp.And()
            | exp.Or()
            | exp.Not()
            | exp.Boolean()
            | exp.Is()
            | exp.In()
            | exp.Between()
            | exp.Exists()
        ):
            return "boolean"
        case exp.Count():
            return "bigint"
        case exp.Coalesce():
            return kinds[0] if len(set(kinds)) == 1 else UNKNOWN
        case exp.Lower() | exp.Upper() | exp.Trim():
            return "text"
        case exp.Add() | exp.Sub() | exp.Mul() | exp.Div():
            known = [_NUMBERS.index(kind) for kind in kinds if kind in _NUMBERS]
            return _NUMBERS[max(known)] if len(known) == 2 else UNKNOWN
    return UNKNOWN
