"""Columns beside GROUP BY or an aggregate that are in neither, as Postgres refuses them.

A table whose primary key is grouped by gives all its columns. Versions of blocks have no such key, tables of others may:
nothing is said of a column beside another one of its table that is grouped by, where the table may have one. Nor is anything said
of a query inside of the expression, and of what a function is given that may be an aggregate.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from sqlflow.plan.functions import aggregates, is_aggregate
from sqlflow.plan.scopes import Scope

Name = Callable[[Any], str]
"""Returns the name that an identifier stands for."""


def ungrouped(tree: Any, sql: str, scope: Scope, name: Name) -> tuple[str, Any] | None:
    """Return the first column of a SELECT that must be grouped by or aggregated and is not, and its node; None if there is none
    for sure.
    """
    items = [*tree.expressions, *(tree.args[key] for key in ("having", "order") if tree.args.get(key))]
    is_grouped = tree.args.get("group") or tree.args.get("having") or any(aggregates(item, sql) for item in items)
    group = tree.args.get("group")
    if scope.is_open or not is_grouped or tree.args.get("distinct") or (group is not None and group.args.get("all")):
        return None
    return next(_Grouped(tree, sql, scope, name).faults(items), None)


class _Grouped:
    """A SELECT that makes one row of many."""

    def __init__(self, tree: Any, sql: str, scope: Scope, name: Name) -> None:
        from sqlglot import exp

        self.sql, self.scope, self.name = sql, scope, name
        self.items = tree.expressions
        self.aliases = {name(item.args["alias"]): item.this for item in self.items if isinstance(item, exp.Alias)}
        keys = [self.meant(key) for key in _keys(tree.args.get("group"))]
        self.grouped = {self.text(key) for key in keys}
        self.tables = {self.place(column) for key in keys for column in key.find_all(exp.Column)}

    def faults(self, items: Iterable[Any]) -> Iterator[tuple[str, Any]]:
        from sqlglot import exp

        for item in items:
            for node in item.expressions if isinstance(item, exp.Order) else [item]:
                bare = node.this if isinstance(node, (exp.Ordered, exp.Alias, exp.Having)) else node
                is_place = isinstance(node, exp.Ordered) and isinstance(bare, exp.Literal)
                if not is_place and not (isinstance(node, exp.Ordered) and self.is_result(bare)):
                    yield from self.outside(bare)

    def is_result(self, node: Any) -> bool:
        """Tell whether an expression of ORDER BY is the name of a column of the result."""
        names = {*self.aliases, *(self.name(item.this) for item in self.items if _is_column(item))}
        return _is_column(node) and len(node.parts) == 1 and self.name(node.this) in names

    def meant(self, key: Any) -> Any:
        """Return the expression that GROUP BY means: a column, an expression, or a column of the result by its name or place."""
        from sqlglot import exp

        if isinstance(key, exp.Literal) and not key.is_string:
            item = self.items[int(key.this) - 1]
            return item.this if isinstance(item, exp.Alias) else item
        if _is_column(key) and len(key.parts) == 1 and self.place(key) is None:
            return self.aliases.get(self.name(key.this), key)
        return key

    def outside(self, node: Any) -> Iterator[tuple[str, Any]]:
        """Yield the columns of an expression that are in no aggregate and no part of what is grouped by."""
        from sqlglot import exp

        if isinstance(node, (exp.Query, exp.Exists, exp.Star)) or self.text(node) in self.grouped:
            return
        if isinstance(node, exp.Column):
            yield from self.alone(node)
        elif isinstance(node, exp.Window):
            return  # what it is given may be grouped by, or an aggregate of its own
        elif not (is_aggregate(node, self.sql) or isinstance(node, (exp.Anonymous, exp.Filter, exp.WithinGroup))):
            for child in node.iter_expressions():
                yield from self.outside(child)

    def alone(self, node: Any) -> Iterator[tuple[str, Any]]:
        place = self.place(node)
        if place is None or (place in self.tables and self.scope.tables[place][1].may_have_key):
            return
        yield f"{self.scope.tables[place][0]}.{self.name(node.this)}", node

    def place(self, node: Any) -> int | None:
        """Return which table of FROM a column is of; None where that is not told, or of a query around this one."""
        if not _is_column(node) or self.name(node.this) in self.scope.merged:
            return None
        alias = self.name(node.args["table"]) if node.table else ""
        found = [
            place
            for place, (table, rows) in enumerate(self.scope.tables)
            if table and (not alias or table == alias) and rows.types(self.name(node.this))
        ]
        return found[0] if len(found) == 1 else None

    def text(self, node: Any) -> str:
        """Return what is the same for expressions that Postgres takes for the same."""
        from sqlglot import exp

        def plain(part: Any) -> Any:
            if isinstance(part, exp.Paren):
                return part.this
            place = self.place(part) if isinstance(part, exp.Column) else None
            return part if place is None else exp.column(self.name(part.this), table=f"table {place}", quoted=True)

        return str(node.copy().transform(plain).sql("postgres", comments=False))


def _keys(group: Any) -> Iterator[Any]:
    """Yield the expressions of GROUP BY, those of its grouping sets among them."""
    from sqlglot import exp

    waiting = [] if group is None else [group]
    while waiting:
        node = waiting.pop()
        if isinstance(node, (exp.Group, exp.GroupingSets, exp.Rollup, exp.Cube, exp.Tuple, exp.Paren)):
            waiting += node.iter_expressions()
        else:
            yield node


def _is_column(node: Any) -> bool:
    from sqlglot import exp

    return isinstance(node, exp.Column) and isinstance(node.this, exp.Identifier)
