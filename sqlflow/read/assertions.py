"""From `assert:` entries to queries whose rows break them.

Every kind ends as the same thing: a `Query` that names the block by its published name, to be pointed at the
version that is checked. What is generated here needs no parser: the places of its tables are known.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any

from msgspec import Meta, Struct

from sqlflow.core.block import Assertion, Query, Reads, TableUse, Threshold
from sqlflow.core.config import BlockConfig, Duration, Raw, Severity, Text
from sqlflow.core.engine import Engine
from sqlflow.core.errors import Problem, ProjectError, did_you_mean
from sqlflow.core.names import TableName, literal, quoted
from sqlflow.core.text import MappedText, Piece, Place
from sqlflow.read.decode import decoded, duration
from sqlflow.read.render import Renderer, Template
from sqlflow.read.sql import infer
from sqlflow.read.yaml import Node, plain_value

_QUERY_START = re.compile(r"\s*(select|with|from)\b", re.IGNORECASE)
_MAY_VARY = re.compile(r"\(|\bfrom\b|\bcurrent_|\blocaltime|\bsession_user\b", re.IGNORECASE)
"""A condition that may name tables or call functions is parsed; `amount >= 0` need not be."""
Count = Annotated[int, Meta(ge=0)]
_PERCENT = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*%")
KINDS = (
    "unique", "not_null", "accepted_values", "references", "row_count", "range", "matches", "freshness",
    "expression", "sql",
)  # fmt: skip


class AssertionOptions(Struct, frozen=True, kw_only=True):
    """What every assertion takes beside its kind."""

    name: Annotated[Text | None, Meta(description="The assertion's name in messages.")] = None
    severity: Annotated[Severity, Meta(description="`error` stops publishing, `warn` is only told.")] = "error"
    where: Annotated[Raw, Meta(description="A SQL condition: only these rows are looked at.")] = None
    fail_above: Annotated[
        Raw, Meta(description="How many failing rows are borne: `10`, or `0.1%` of the block's rows.")
    ] = None
    sample_rows: Annotated[int, Meta(description="How many failing rows are kept and shown.", ge=0, le=1000)] = 10
    description: Annotated[str, Meta(description="What the assertion says, in a sentence.")] = ""
    timeout: Annotated[Duration | None, Meta(description="How long the query may take.")] = None


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


@dataclass(frozen=True, slots=True)
class Scope:
    """What reading the assertions of one block needs."""

    block: TableName
    engine: Engine
    renderer: Renderer
    problems: list[Problem]


@dataclass(frozen=True, slots=True)
class _Table:
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


def block_assertions(config: BlockConfig, scope: Scope) -> tuple[Assertion, ...]:
    """Return the assertions of a block's front matter, on the block and on its columns."""
    found: list[Assertion] = []
    for node in _items(config.assertions, "assert", scope):
        found += _entry(node, None, scope)
    for column, settings in config.columns.items():
        for node in _items(settings.assertions, f"columns.{column}.assert", scope):
            found += _entry(node, column, scope)
    return _named_once(found, scope)


def _items(node: Node | None, path: str, scope: Scope) -> tuple[Node, ...]:
    if node is None or node.is_null:
        return ()
    if node.kind == "mapping":
        hint = "begin each assertion with a dash: `- unique: id`"
        scope.problems.append(Problem(f"`{path}` must be a list", node.place, hint))
        return ()
    return node.items if node.kind == "list" else (node,)


def _named_once(found: list[Assertion], scope: Scope) -> tuple[Assertion, ...]:
    seen: dict[str, Assertion] = {}
    for assertion in found:
        if assertion.name in seen:
            message = f"two assertions of `{scope.block}` are named `{assertion.name}`"
            scope.problems.append(Problem(message, assertion.place, "give one of them a `name`"))
        seen[assertion.name] = assertion
    return tuple(seen.values())


def _entry(node: Node, column: str | None, scope: Scope) -> list[Assertion]:
    """Return the assertions of one entry: one for each column that it names."""
    try:
        if node.kind == "list":
            raise ProjectError("an assertion is text or a mapping, not a list", node.place)
        if node.kind == "scalar":
            return _plain_entry(node, column, scope)
        options, kind, value = _taken_apart(node, scope)
        return [
            _assertion(name, kind.text, query, options, kind.place, scope)
            for name, query in _queries(kind, value, column, options, scope)
        ]
    except ProjectError as error:
        scope.problems.extend(error.problems)
        return []


def _plain_entry(node: Node, column: str | None, scope: Scope) -> list[Assertion]:
    options = AssertionOptions()
    if column is not None and node.text in ("not_null", "unique"):
        queries = [_of_column(node.text, column, _column_text(node, column), options, scope)]
        kind = node.text
    elif node.text in KINDS:
        raise ProjectError(f"`{node.text}` needs a value", node.place, f"write `{node.text}: …`")
    elif column is not None and node.text.isidentifier() and node.text in scope.renderer.macro_names():
        queries, kind = _macro(node, {"column": column}, options, scope), node.text
    elif column is not None and node.text.isidentifier() and (hint := did_you_mean(node.text, _of_a_column(scope))):
        raise ProjectError(f"unknown assertion `{node.text}`", node.place, hint)
    elif _QUERY_START.match(node.text):
        queries, kind = [_inline(node, options, scope)], "sql"
    else:
        queries, kind = [_expression(node, options, scope)], "expression"
    return [_assertion(name, kind, query, options, node.place, scope) for name, query in queries]


def _of_a_column(scope: Scope) -> frozenset[str]:
    return scope.renderer.macro_names() | {"not_null", "unique"}


def _taken_apart(node: Node, scope: Scope) -> tuple[AssertionOptions, Node, Node]:
    names = {"name", "severity", "where", "fail_above", "sample_rows", "description", "timeout"}
    kinds = [(key, value) for key, value in node.pairs if key.text not in names]
    if not kinds:
        raise ProjectError("the assertion names no kind", node.place, "kinds: " + ", ".join(f"`{k}`" for k in KINDS))
    known = [(key, value) for key, value in kinds if key.text in KINDS]
    if len(kinds) > 1:
        odd = next((key for key, _ in kinds if key.text not in KINDS), kinds[1][0])
        if known and odd.text not in KINDS:
            raise ProjectError(f"unknown key `{odd.text}`", odd.place, did_you_mean(odd.text, names) or _known(names))
        raise ProjectError("the assertion has two kinds", odd.place, "begin the second with a dash of its own")
    given = Node("mapping", node.source, node.offset, pairs=tuple(pair for pair in node.pairs if pair[0].text in names))
    options = decoded(given, AssertionOptions, scope.problems)
    return options or AssertionOptions(), *kinds[0]


def _with_where(query: Query, kind: str, options: AssertionOptions, scope: Scope) -> Query:
    where = _where(options, scope)
    if where is None or kind not in KINDS or kind == "sql":
        return query
    return _checked(query, where, query.reads, options.where.place, scope)


def _known(names: Iterable[str]) -> str:
    return "known: " + ", ".join(f"`{name}`" for name in sorted(names))


def _assertion(name: str, kind: str, query: Query, options: AssertionOptions, place: Place, scope: Scope) -> Assertion:
    return Assertion(
        options.name or name, kind, scope.block, _with_where(query, kind, options, scope), place, options.severity,
        threshold(options.fail_above, scope.problems), options.sample_rows, options.timeout, options.description,
    )  # fmt: skip


def threshold(node: Node | None, problems: list[Problem]) -> Threshold:
    """Return what `fail_above` says: `10` rows, or `0.1%` of the block's."""
    if node is None:
        return Threshold()
    percent = _PERCENT.fullmatch(node.text)
    if percent and float(percent[1]) <= 100:
        return Threshold(share=float(percent[1]) / 100)
    if node.kind == "scalar" and node.text.isdigit():
        return Threshold(rows=int(node.text))
    problems.append(Problem("`fail_above` is a number of rows, such as `10`, or a share, such as `0.1%`", node.place))
    return Threshold()


Named = tuple[str, Query]


def _queries(kind: Node, value: Node, column: str | None, options: AssertionOptions, scope: Scope) -> list[Named]:
    match kind.text:
        case "expression":
            return [_expression(value, options, scope)]
        case "sql":
            return [_inline(value, options, scope)]
        case "row_count":
            return [_row_count(value, options, scope)]
        case "freshness":
            return [_freshness(value, column, options, scope)]
        case "unique" | "not_null" if column is not None:
            return [_of_column(kind.text, column, _column_text(kind, column), options, scope)]
        case "unique":
            return [_unique(value, options, scope)]
        case "not_null":
            names = _columns(value, kind.text)
            return [_of_column("not_null", name.text, _column_text(name, name.text), options, scope) for name in names]
        case "accepted_values" | "references" | "range" | "matches":
            pairs = [(kind, column, value)] if column is not None else _by_column(kind, value)
            return [_COLUMN_KINDS[kind.text](key, name, argument, options, scope) for key, name, argument in pairs]
    if kind.text in scope.renderer.macro_names():
        arguments = _macro_arguments(value, column)
        return _macro(kind, arguments, options, scope)
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


def _columns(value: Node, kind: str) -> tuple[Node, ...]:
    names = value.items if value.kind == "list" else (value,)
    if not names or any(name.kind != "scalar" or name.is_null for name in names):
        raise ProjectError(f"`{kind}` must be a column or a list of columns", value.place)
    return names


def _column_text(node: Node, column: str) -> MappedText:
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
    if node is None:
        return None
    if node.kind != "scalar" or not node.text.strip():
        raise ProjectError("`where` must be a SQL condition", node.place)
    return scope.renderer.render(embedded(node), scope.block)[0]


def _of_column(kind: str, column: str, text: MappedText, options: AssertionOptions, scope: Scope) -> Named:
    rows = _rows(scope, options)
    if kind == "unique":
        return f"unique({column})", _duplicates(text, rows)
    return f"not_null({column})", composed("select * from ", *rows, " where ", text, " is null")


def _unique(value: Node, options: AssertionOptions, scope: Scope) -> Named:
    names = _columns(value, "unique")
    text = MappedText(())
    for index, name in enumerate(names):
        text = text + (", " if index else "") + _column_text(name, name.text)
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
        "select * from ", *_rows(scope, options), " where ", _column_text(key, column), f" not in ({values})"
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
    text = _column_text(key, column)
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
        text = _column_text(value, column)
    else:
        limits = _read(value, Freshness, scope, "freshness.")
        node = value.get("column")
        text = _column_text(node or value, limits.column)
    condition = scope.engine.older_than("newest", limits.within)
    query = composed(
        "select * from (select max(",
        text,
        ") as newest from ",
        *_rows(scope, options),
        ") as checked where ",
        condition,
    )
    return f"freshness({limits.column})", replace(query, volatile="it looks at the clock")


def _read(value: Node, kind: type[Any], scope: Scope, path: str) -> Any:
    problems: list[Problem] = []
    result = decoded(value, kind, problems, path)
    if result is None or problems:
        raise ProjectError(problems)
    return result


def embedded(node: Node) -> Template:
    """Return the template that a YAML text is, at its place in the file where the two are the same characters."""
    text = node.source.text
    start = node.offset + (1 if node.quoted and text[node.offset : node.offset + 1] in "'\"" else 0)
    if text[start : start + len(node.text)] == node.text:
        return Template(node.source, re.sub(r"[^\n]", " ", text[:start]) + node.text, start)
    lines = _lines_in_file(node)
    if lines is not None:
        start, end = lines
        return Template(node.source, re.sub(r"[^\n]", " ", text[:start]) + text[start:end], start)
    line = text.count("\n", 0, node.offset)
    shifted = type(node.source)(node.source.path, "\n" * (line + (1 if node.text.count("\n") else 0)) + node.text)
    return Template(shifted, shifted.text, shifted.text.index(node.text))


def _lines_in_file(node: Node) -> tuple[int, int] | None:
    """Return from where to where a text of several lines stands in its file.

    None where the file has more than other line ends and indents, or where these would matter to SQL.
    """
    text = node.source.text
    style = text[node.offset]
    start = end = text.find("\n", node.offset) + 1 if style in "|>" else node.offset + node.quoted
    for word in node.text.split():
        while text[end : end + 1].isspace():
            end += 1
        if not text.startswith(word, end):
            return None
        end += len(word)
    lines = text[start:end].split("\n")
    is_same = all(line.count("'") % 2 == 0 and (style == "|" or "--" not in line) for line in lines)
    return (start, end) if is_same else None


def _expression(node: Node, options: AssertionOptions, scope: Scope) -> Named:
    if node.kind != "scalar" or not node.text.strip():
        raise ProjectError("`expression` must be a SQL condition", node.place)
    condition, reads = scope.renderer.render(embedded(node), scope.block)
    query = composed("select * from ", *_rows(scope, options), " where not (\n", condition, "\n)")
    return _short(condition.text), _checked(query, condition, reads, node.place, scope)


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


def _inline(node: Node, options: AssertionOptions, scope: Scope) -> Named:
    if node.kind != "scalar" or not node.text.strip():
        raise ProjectError("`sql` must be a SELECT that returns the failing rows", node.place)
    text, reads = scope.renderer.render(embedded(node), scope.block)
    return _short(text.text), inferred(_filtered(text, options, scope), reads, scope.engine, node.place)


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


def _macro(node: Node, arguments: dict[str, Any], options: AssertionOptions, scope: Scope) -> list[Named]:
    text, reads = scope.renderer.call_macro(node.text, arguments, scope.block, node.place)
    shown = ", ".join(str(argument) for argument in arguments.values())
    return [(f"{node.text}({shown})", inferred(_filtered(text, options, scope), reads, scope.engine, node.place))]


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 60 else line[:59] + "…"


def inferred(text: MappedText, reads: Reads, engine: Engine, where: Place) -> Query:
    """Return the query that `text` is, with what it reads. Raise ProjectError if it is not one SELECT."""
    found = infer(text, engine, where)
    if not found.known:
        raise ProjectError("no parser can tell what this query reads", where)
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
