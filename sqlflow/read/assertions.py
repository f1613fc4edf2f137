"""From `assert:` entries to assertions.

Every kind ends as the same thing: a `Query` that names the block by its published name, to be pointed at the
version that is checked.
"""

import re
from collections.abc import Iterable

from sqlflow.core.block import Assertion, Query, Threshold
from sqlflow.core.config import BlockConfig
from sqlflow.core.errors import Problem, ProjectError, did_you_mean
from sqlflow.core.node import Node
from sqlflow.core.text import Place
from sqlflow.read.assertion_kinds import (
    KINDS,
    AssertionOptions,
    Scope,
    column_text,
    expression,
    inline_query,
    named_columns,
    of_column,
    of_macro,
    queries,
    with_where,
)
from sqlflow.read.decode import decoded

_QUERY_START = re.compile(r"\s*(select|with|from)\b", re.IGNORECASE)
_PERCENT = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*%")


def block_assertions(config: BlockConfig, scope: Scope) -> tuple[Assertion, ...]:
    """Return the assertions of a block's front matter, on the block and on its columns."""
    found: list[Assertion] = []
    for node in _items(config.assertions, "assert", scope):
        found += _entry(node, None, scope)
    for column, settings in config.columns.items():
        for node in _items(settings.assertions, f"columns.{column}.assert", scope):
            found += _entry(node, column, scope)
    if config.materialize != "incremental":
        for assertion in found:
            if assertion.new_only:
                message = f"`where: new` is for incremental blocks; this is `{config.materialize}`"
                scope.problems.append(Problem(message, assertion.place, "write a condition, or leave `where` out"))
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
            _assertion(name, kind.text, query, options, kind.place, scope, _unique_together(kind.text, value, column))
            for name, query in queries(kind, value, column, options, scope)
        ]
    except ProjectError as error:
        scope.problems.extend(error.problems)
        return []


def _plain_entry(node: Node, column: str | None, scope: Scope) -> list[Assertion]:
    options = AssertionOptions()
    if column is not None and node.text in ("not_null", "unique"):
        queries = [of_column(node.text, column, column_text(node, column), options, scope)]
        kind = node.text
    elif node.text in KINDS:
        raise ProjectError(f"`{node.text}` needs a value", node.place, f"write `{node.text}: …`")
    elif column is not None and node.text.isidentifier() and node.text in scope.renderer.macro_names():
        queries, kind = of_macro(node, {"column": column}, options, scope), node.text
    elif column is not None and node.text.isidentifier() and (hint := did_you_mean(node.text, _of_a_column(scope))):
        raise ProjectError(f"unknown assertion `{node.text}`", node.place, hint)
    elif _QUERY_START.match(node.text):
        queries, kind = [inline_query(node, options, scope)], "sql"
    else:
        queries, kind = [expression(node, options, scope)], "expression"
    together = (column,) if kind == "unique" and column is not None else ()
    return [_assertion(name, kind, query, options, node.place, scope, together) for name, query in queries]


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


def _known(names: Iterable[str]) -> str:
    return "known: " + ", ".join(f"`{name}`" for name in sorted(names))


def _assertion(
    name: str, kind: str, query: Query, options: AssertionOptions, place: Place, scope: Scope, together: tuple[str, ...]
) -> Assertion:  # fmt: skip
    """Return an assertion; `together` are the columns that it holds to be unique."""
    return Assertion(
        options.name or name, kind, scope.block, with_where(query, kind, options, scope), place, options.severity,
        threshold(options.fail_above, scope.problems), options.sample_rows, options.timeout, options.description,
        new_only=options.new_only, columns=together if options.where is None else (),
    )  # fmt: skip


def _unique_together(kind: str, value: Node, column: str | None) -> tuple[str, ...]:
    """Return the columns that an assertion holds to be unique: one by its own, or several together."""
    if kind != "unique":
        return ()
    return (column,) if column is not None else tuple(name.text for name in named_columns(value, kind))


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
