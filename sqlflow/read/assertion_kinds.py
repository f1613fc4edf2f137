"""The kinds of assertions, each as the query whose rows break it.

What is generated here needs no parser: the places of its tables are known.
"""

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any

from msgspec import Meta, Struct
from msgspec.structs import replace

from sqlflow.core.block import Query, Reads, TableUse
from sqlflow.core.column_config import Raw, Text
from sqlflow.core.config import Duration, Severity
from sqlflow.core.engine import Engine
from sqlflow.core.errors import Problem, ProjectError, did_you_mean
from sqlflow.core.names import TableName, literal, quoted
from sqlflow.core.node import Node
from sqlflow.core.text import MappedText, Piece, Place
from sqlflow.read.decode import decoded, duration
from sqlflow.read.dialect import translated
from sqlflow.read.embedded import embedded
from sqlflow.read.render import Renderer
from sqlflow.read.sql import infer, refuse_unread
from sqlflow.read.yaml import plain_value

_MAY_VARY = re.compile(r"\(|\bfrom\b|\bcurrent_|\blocaltime|\bsession_user\b", re.IGNORECASE)
"""A condition that may name tables or call functions is parsed; `amount >= 0` need not be."""
Count = Annotated[int, Meta(ge=0)]
KINDS = (
    "unique", "not_null", "accepted_values", "references", "row_count", "range", "matches", "freshness",
    "expression", "sql",
)  # fmt: skip


class AssertionOptions(Struct, frozen=True, kw_only=True):
    """What every assertion takes beside its kind."""

    name: Annotated[Text | None, Meta(description="The assertion's name in messages.")] = None
    severity: Annotated[Severity, Meta(description="`error` stops publishing, `warn` is only told.")] = "error"
    where: Annotated[Raw, Meta(description="A SQL condition: only these rows are looked at; or `new` rows.")] = None
    fail_above: Annotated[
        Raw, Meta(description="How many failing rows are borne: `10`, or `0.1%` of the block's rows.")
    ] = None
    sample_rows: Annotated[int, Meta(description="How many failing rows are kept and shown.", ge=0, le=1000)] = 10
    description: Annotated[str, Meta(description="What the assertion says, in a sentence.")] = ""
    timeout: Annotated[Duration | None, Meta(description="How long the query may take.")] = None

    @property
    def new_only(self) -> bool:
        return self.where is not None and self.where.kind == "scalar" and self.where.text == "new"


class RowCount(Struct, frozen=True, kw_only=True):
    """`row_count`: how many rows the block has."""

    min: Annotated[Count | None, Meta(description="At least this many.")] = None
    max: Annotated[Count | None, Meta(description="At most this many.")] = None
    equals: Annotated[Text | None, Meta(description="As many as this block or source.")] = None


class Range(Struct, frozen=True, kw_only=True):
    """`range`: between which values a column lies, both included."""

    min: Annotated[Any, Meta(description="The least value.")] = None
    max: Annotated[Any, Meta(description="The greatest value.")] = None


class Freshness(Struct, frozen=True, kw_only=True):
    """`freshness`: how old the newest value of a time column may be."""

    column: Annotated[Text, Meta(description="The time column.")]
    within: Annotated[Duration, Meta(description="The greatest age of its newest value: `2 days`.")]


class Scope(Struct, frozen=True):
    """What reading the assertions of one block needs."""

    block: TableName
    engine: Engine
    renderer: Renderer
    problems: list[Problem]
    own_dialect: str | None = None

    def translated(self, text: MappedText, where: Place) -> MappedText:
        """Return SQL of the block's author in the engine's dialect."""
        return translated(text, self.own_dialect or self.renderer.dialect, self.engine, where)


class _Table(Struct, frozen=True):
    """A table in a composed query, with an alias of its own."""

    name: TableName
    alias: str
    node: Node | None = None
    """Where the user names it."""


def composed(*parts: str | MappedText | _Table) -> Query:
    """Return the query that the parts make, with its tables at their places."""
    text = MappedText(())
    uses: list[TableUse] = []
    for part in parts:
        if isinstance(part, _Table):
            start = len(text.text)
            source = part.node.source if part.node else None
            text += MappedText((Piece(part.name.sql, source, part.node.offset if part.node else 0, moves=False),))
            uses.append(TableUse(part.name, start, len(text.text), aliased=True))
            text += f" as {quoted(part.alias)}"
        else:
            text += part
    return Query(text, tuple(uses), code=text.text)


Named = tuple[str, Query]


def queries(kind: Node, value: Node, column: str | None, options: AssertionOptions, scope: Scope) -> list[Named]:
    """Return what an entry of a kind asks, one query for each column that it names.

    Raise ProjectError for a value that the kind cannot have, and for a kind that is none.
    """
    match kind.text:
        case "expression":
            return [expression(value, options, scope)]
        case "sql":
            return [inline_query(value, options, scope)]
        case "row_count":
            return [_row_count(value, options, scope)]
        case "freshness":
            return [_freshness(value, column, options, scope)]
        case "unique" | "not_null" if column is not None:
            return [of_column(kind.text, column, column_text(kind, column), options, scope)]
        case "unique":
            return [_unique(value, options, scope)]
        case "not_null":
            names = named_columns(value, kind.text)
            return [of_column("not_null", name.text, column_text(name, name.text), options, scope) for name in names]
        case "accepted_values" | "references" | "range" | "matches":
            pairs = [(kind, column, value)] if column is not None else _by_column(kind, value)
            return [_COLUMN_KINDS[kind.text](key, name, argument, options, scope) for key, name, argument in pairs]
    if kind.text in scope.renderer.macro_names():
        arguments = _macro_arguments(value, column)
        return of_macro(kind, arguments, options, scope)
    hint = did_you_mean(kind.text, (*KINDS, *scope.renderer.macro_names()))
    raise ProjectError(
        f"unknown assertion `{kind.text}`",
        kind.place,
        hint or "write a macro of that name, or one of: " + ", ".join(KINDS),
    )


def _by_column(kind: Node, value: Node) -> list[tuple[Node, str, Node]]:
    if value.kind != "mapping":
        raise ProjectError(
            f"`{kind.text}` must be a mapping of columns", value.place, f"write `{kind.text}: {{column: …}}`"
        )
    return [(key, key.text, argument) for key, argument in value.pairs]


def named_columns(value: Node, kind: str) -> tuple[Node, ...]:
    names = value.items if value.kind == "list" else (value,)
    if not names or any(name.kind != "scalar" or name.is_null for name in names):
        raise ProjectError(f"`{kind}` must be a column or a list of columns", value.place)
    return names


def column_text(node: Node, column: str) -> MappedText:
    """Return a column's quoted name, at the place where the user names it."""
    return MappedText((Piece(quoted(column), node.source, node.offset, moves=False),))


def _rows(scope: Scope, options: AssertionOptions) -> tuple[str | MappedText | _Table, ...]:
    """Return the FROM part: the block's rows, those of `where` alone if it is given."""
    table = _Table(scope.block, scope.block.name)
    where = _where(options, scope)
    if where is None:
        return (table,)
    return ("(select * from ", table, " where (\n", where, f"\n)) as {quoted(scope.block.name)}")


def _where(options: AssertionOptions, scope: Scope) -> MappedText | None:
    node: Node | None = options.where
    if node is None or options.new_only:
        return None
    if node.kind != "scalar" or not node.text.strip():
        raise ProjectError("`where` must be a SQL condition", node.place)
    return scope.translated(scope.renderer.render(embedded(node), scope.block)[0], node.place)


def of_column(kind: str, column: str, text: MappedText, options: AssertionOptions, scope: Scope) -> Named:
    """Return the query of `unique` or `not_null` for one column."""
    rows = _rows(scope, options)
    if kind == "unique":
        return f"unique({column})", _duplicates(text, rows)
    return f"not_null({column})", composed("select * from ", *rows, " where ", text, " is null")


def _unique(value: Node, options: AssertionOptions, scope: Scope) -> Named:
    names = named_columns(value, "unique")
    text = MappedText(())
    for index, name in enumerate(names):
        text = text + (", " if index else "") + column_text(name, name.text)
    return f"unique({', '.join(name.text for name in names)})", _duplicates(text, _rows(scope, options))


def _duplicates(columns: MappedText, rows: tuple[str | MappedText | _Table, ...]) -> Query:
    return composed(
        "select ", columns, ", count(*) as row_count from ", *rows, " group by ", columns, " having count(*) > 1"
    )


def _accepted_values(key: Node, column: str, value: Node, options: AssertionOptions, scope: Scope) -> Named:
    if value.kind != "list" or not value.items:
        raise ProjectError(f"the accepted values of `{column}` must be a list", value.place)
    values = ", ".join(literal(item) for item in plain_value(value))
    name = f"accepted_values({column})"
    return name, composed(
        "select * from ", *_rows(scope, options), " where ", column_text(key, column), f" not in ({values})"
    )


def _references(key: Node, column: str, value: Node, options: AssertionOptions, scope: Scope) -> Named:
    parts = value.text.split(".") if value.kind == "scalar" else []
    if len(parts) not in (2, 3):
        raise ProjectError("`references` names a column as `schema.table.column`", value.place)
    other = _Table(TableName.of(*parts[:-1]), "referenced", value)
    target = MappedText((Piece(quoted(parts[-1]), value.source, value.offset, moves=False),))
    mine = MappedText((Piece(f"{quoted(scope.block.name)}.{quoted(column)}", key.source, key.offset, moves=False),))
    query = composed(
        "with sqlflow_referenced as (select ", target, " as key from ", other, ") select * from ", *_rows(scope, options),
        " where ", mine, " is not null and not exists (select 1 from sqlflow_referenced",
        " where sqlflow_referenced.key = ", mine, ")",
    )  # fmt: skip
    return f"references({column})", query


def _range(key: Node, column: str, value: Node, options: AssertionOptions, scope: Scope) -> Named:
    limits = _read(value, Range, scope, "range.")
    text = column_text(key, column)
    conditions: list[MappedText] = []
    if limits.min is not None:
        conditions.append(text + f" < {literal(limits.min)}")
    if limits.max is not None:
        conditions.append(text + f" > {literal(limits.max)}")
    if not conditions:
        raise ProjectError("`range` needs `min`, `max` or both", value.place)
    condition = conditions[0] if len(conditions) == 1 else conditions[0] + " or " + conditions[1]
    return f"range({column})", composed("select * from ", *_rows(scope, options), " where ", condition)


def _matches(key: Node, column: str, value: Node, options: AssertionOptions, scope: Scope) -> Named:
    if value.kind != "scalar" or not value.text:
        raise ProjectError("`matches` must be a regular expression", value.place)
    condition = scope.engine.failing_pattern(quoted(column), literal(value.text))
    text = MappedText((Piece(condition, key.source, key.offset, moves=False),))
    return f"matches({column})", composed("select * from ", *_rows(scope, options), " where ", text)


_COLUMN_KINDS: Mapping[str, Callable[[Node, str, Node, AssertionOptions, Scope], Named]] = {
    "accepted_values": _accepted_values, "references": _references, "range": _range, "matches": _matches,
}  # fmt: skip


def _row_count(value: Node, options: AssertionOptions, scope: Scope) -> Named:
    limits = _read(value, RowCount, scope, "row_count.")
    if limits.min is None and limits.max is None and limits.equals is None:
        raise ProjectError("`row_count` needs `min`, `max` or `equals`", value.place)
    rows = _rows(scope, options)
    conditions = [f"row_count < {limits.min}"] if limits.min is not None else []
    conditions += [f"row_count > {limits.max}"] if limits.max is not None else []
    if limits.equals is None:
        parts: tuple[Any, ...] = ("select * from (select count(*) as row_count from ", *rows, ") as counted where ")
        return "row_count", composed(*parts, " or ".join(conditions))
    other = _Table(TableName.parse(limits.equals), "expected", value.get("equals"))
    conditions.append("row_count <> expected_row_count")
    query = composed(
        "select * from (select count(*) as row_count from ", *rows, ") as counted, (select count(*) as expected_row_count from ",
        other, ") as other where ", " or ".join(conditions),
    )  # fmt: skip
    return f"row_count(equals {limits.equals})", query


def _freshness(value: Node, column: str | None, options: AssertionOptions, scope: Scope) -> Named:
    if column is not None:
        limits = Freshness(column=column, within=duration(value, "freshness"))
        text = column_text(value, column)
    else:
        limits = _read(value, Freshness, scope, "freshness.")
        node = value.get("column")
        text = column_text(node or value, limits.column)
    condition = scope.engine.older_than("newest", limits.within)
    query = composed(
        "select * from (select max(", text, ") as newest from ", *_rows(scope, options), ") as checked where ", condition,
    )  # fmt: skip
    return f"freshness({limits.column})", replace(query, volatile="it looks at the clock")


def _read(value: Node, kind: type[Any], scope: Scope, path: str) -> Any:
    problems: list[Problem] = []
    result = decoded(value, kind, problems, path)
    if result is None or problems:
        raise ProjectError(problems)
    return result


def expression(node: Node, options: AssertionOptions, scope: Scope) -> Named:
    """Return the query of the rows for which a condition is false; NULL passes."""
    if node.kind != "scalar" or not node.text.strip():
        raise ProjectError("`expression` must be a SQL condition", node.place)
    written, reads = scope.renderer.render(embedded(node), scope.block)
    condition = scope.translated(written, node.place)
    query = composed("select * from ", *_rows(scope, options), " where not (\n", condition, "\n)")
    return _short(written.text), _checked(query, condition, reads, node.place, scope)


def _checked(query: Query, condition: MappedText, reads: Reads, where: Place, scope: Scope) -> Query:
    """Return a query with a condition of the user's in it: read for tables if it may name some, and valid SQL."""
    if _MAY_VARY.search(condition.text):
        return inferred(query.text, reads, scope.engine, where)
    refused = scope.engine.syntax_error(query.text.text)
    if refused:
        message, position = refused
        place = query.text.place(position or 0)
        raise ProjectError(message if place else "syntax error at the end of the condition", place or where)
    return replace(query, reads=reads)


def inline_query(node: Node, options: AssertionOptions, scope: Scope) -> Named:
    """Return the query that the user has written out."""
    if node.kind != "scalar" or not node.text.strip():
        raise ProjectError("`sql` must be a SELECT that returns the failing rows", node.place)
    text, reads = scope.renderer.render(embedded(node), scope.block)
    return _short(text.text), inferred(
        _filtered(scope.translated(text, node.place), options, scope), reads, scope.engine, node.place
    )


def _filtered(text: MappedText, options: AssertionOptions, scope: Scope) -> MappedText:
    where = _where(options, scope)
    if where is None:
        return text
    return "select * from (\n" + text + "\n) as failing where (\n" + where + "\n)"


def _macro_arguments(value: Node, column: str | None) -> dict[str, Any]:
    named = {"column": column} if column is not None else {}
    if value.is_null:
        return named
    if value.kind == "mapping":
        given: dict[str, Any] = plain_value(value)
        return named | given
    return named | {"value" if named else "column": plain_value(value)}


def of_macro(node: Node, arguments: dict[str, Any], options: AssertionOptions, scope: Scope) -> list[Named]:
    """Return the query that a macro of the project renders. Raise ProjectError, at the entry, if it cannot."""
    text, reads = scope.renderer.call_macro(node.text, arguments, scope.block, node.place)
    shown = ", ".join(str(argument) for argument in arguments.values())
    return [
        (
            f"{node.text}({shown})",
            inferred(_filtered(scope.translated(text, node.place), options, scope), reads, scope.engine, node.place),
        )
    ]


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 60 else line[:59] + "…"


def inferred(text: MappedText, reads: Reads, engine: Engine, where: Place) -> Query:
    """Return the query that `text` is, with what it reads. Raise ProjectError if it is not one SELECT."""
    found = infer(text, engine, where)
    refuse_unread(found, text, where)
    return Query(
        text.slice(0, found.end),
        found.tables,
        found.files,
        reads,
        found.opaque,
        unclear=found.unclear,
        code=found.code,
        volatile=found.volatile,
    )


def with_where(query: Query, kind: str, options: AssertionOptions, scope: Scope) -> Query:
    """Return the query with its `where` read for tables and functions, if it has one."""
    where = _where(options, scope)
    if where is None or kind not in KINDS or kind == "sql":
        return query
    return _checked(query, where, query.reads, options.where.place, scope)
