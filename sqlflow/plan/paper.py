"""What an engine would say against the columns of a query, told from its text alone: for an engine that is not at hand.

The scoping and the words are those of Postgres (tried on 15): an alias is seen by GROUP BY and ORDER BY alone, and only
where it stands by itself; a column hides it in GROUP BY, and it hides a column in ORDER BY. Where something cannot be told,
nothing is said.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from sqlflow.core.engine import Column
from sqlflow.core.errors import StatementError
from sqlflow.core.names import TableName
from sqlflow.plan.grouping import ungrouped
from sqlflow.plan.scopes import Rows, Scope
from sqlflow.plan.types import UNKNOWN, conflict, result

_SYSTEM = frozenset({"ctid", "xmin", "xmax", "cmin", "cmax", "tableoid", "oid"})
_NO_COLUMNS = frozenset({"user", "current_role", "current_catalog", "current_schema", "session_user", "default"})


class Unclear(Exception):
    """Only inside of this module: a query, or a part of it, that cannot be told about."""


Ctes = Mapping[str, Rows]


def columns(sql: str, tables: Mapping[TableName, Sequence[Column]], dialect: str) -> tuple[Column, ...]:
    """Return the columns of a query over `tables`; a type that cannot be told is `unknown`.

    Raise StatementError for the first fault, and if nothing can be told.
    """
    import sqlglot
    from sqlglot import exp
    from sqlglot.errors import SqlglotError

    try:
        tree = sqlglot.parse_one(sql, read=dialect)
        found = _Walk(tables, sql, dialect).query(tree, None, {}) if isinstance(tree, exp.Query) else Rows((), True)
    except (SqlglotError, Unclear, RecursionError, AttributeError, ValueError, TypeError, KeyError) as error:
        raise StatementError("what it gives cannot be told without the server") from error
    if found.is_open:
        raise StatementError("what it gives cannot be told without the server")
    return found.columns


def _fault(message: str, node: Any) -> StatementError:
    """Return a fault at the first place of a node that is known."""
    starts = [part.meta["start"] for part in node.walk() if "start" in part.meta]
    return StatementError(message, min(starts, default=None), of_columns=True)


class _Walk:
    """One walk over the tree of a query: each SELECT becomes Rows."""

    def __init__(self, tables: Mapping[TableName, Sequence[Column]], sql: str, dialect: str) -> None:
        from sqlglot.dialects import Dialect

        self.sql = sql
        self.given = tables
        self.dialect = Dialect.get_or_raise(dialect)

    def name(self, identifier: Any) -> str:
        """Return a name as the engine folds it."""
        return str(self.dialect.normalize_identifier(identifier.copy()).name)

    # Queries

    def query(self, tree: Any, outer: Scope | None, ctes: Ctes) -> Rows:
        from sqlglot import exp

        ctes = self.with_ctes(tree, outer, ctes)
        match tree:
            case exp.Select():
                return self.select(tree, outer, ctes)
            case exp.SetOperation():
                return self.set_operation(tree, outer, ctes)
            case exp.Subquery() if isinstance(tree.this, exp.Query):
                found = self.query(tree.this, outer, ctes)
                if tree.args.get("order"):
                    raise Unclear("an order behind brackets")
                return found
            case exp.Values():
                return self.values(tree, outer, ctes)
        raise Unclear(type(tree).__name__)

    def with_ctes(self, tree: Any, outer: Scope | None, ctes: Ctes) -> Ctes:
        from sqlglot import exp

        with_ = tree.args.get("with_")
        visible = dict(ctes)
        for cte in with_.expressions if with_ is not None else ():
            name, names = self.name(cte.args["alias"].this), [self.name(one) for one in cte.args["alias"].columns]
            if not isinstance(cte.this, exp.Query):
                raise Unclear("a CTE that writes")
            if with_.args.get("recursive") and isinstance(cte.this, exp.SetOperation):
                first = self.query(cte.this.this, outer, visible).renamed(names)
                self.query(cte.this.expression, outer, {**visible, name: first})
                visible[name] = replace(first, has_more=first.has_more or bool(with_.args.get("search")))
            else:
                visible[name] = self.query(cte.this, outer, visible).renamed(names)
        return visible

    def set_operation(self, tree: Any, outer: Scope | None, ctes: Ctes) -> Rows:
        word = tree.key.upper()
        left, right = self.query(tree.this, outer, ctes), self.query(tree.expression, outer, ctes)
        if left.has_more or right.has_more:
            return Rows(left.columns, True)
        if len(left.columns) != len(right.columns):
            raise _fault(f"each {word} query must have the same number of columns", tree.expression)
        items = tree.expression.expressions if len(tree.expression.expressions) == len(right.columns) else ()
        found = []
        for number, (one, other) in enumerate(zip(left.columns, right.columns, strict=True)):
            if conflict(one.type, other.type, self.dialect):
                told = f"{word} types {one.type} and {other.type} cannot be matched"
                raise _fault(told, items[number] if items else tree.expression)
            found.append(Column(one.name, one.type if one.type == other.type else UNKNOWN))
        order, rows = tree.args.get("order"), Rows(tuple(found))
        for item in order.expressions if order is not None else ():
            self.named_or(item, rows, Scope(tables=[("", rows)]), ctes)
        return rows

    def values(self, tree: Any, outer: Scope | None, ctes: Ctes) -> Rows:
        from sqlglot import exp

        lists = [row.expressions if isinstance(row, exp.Tuple) else [row] for row in tree.expressions]
        kinds = [[self.type(item, Scope(outer), ctes) for item in row] for row in lists]
        same = [kind[0] if len(set(kind)) == 1 else UNKNOWN for kind in zip(*kinds, strict=True)]
        return Rows(tuple(Column(f"column{number}", kind) for number, kind in enumerate(same, 1)))

    def select(self, tree: Any, outer: Scope | None, ctes: Ctes) -> Rows:
        if any(tree.args.get(key) for key in ("laterals", "pivots", "connect", "match", "qualify", "cluster", "sort")):
            raise Unclear("what Postgres does not have")
        scope = Scope(outer)
        if tree.args.get("from_") is not None:
            self.table(tree.args["from_"].this, scope, ctes)
        for join in tree.args.get("joins") or ():
            self.join(join, scope, ctes)
        scope.has_commas = False
        rows = self.projections(tree, scope, ctes)
        for name in ("where", "having", "windows"):
            value = tree.args.get(name)
            for node in value if isinstance(value, list) else [value] if value else []:
                self.type(node, scope, ctes)
        distinct, order, group = (tree.args.get(key) for key in ("distinct", "order", "group"))
        on = distinct.args.get("on") if distinct is not None else None
        for item in [*(on.expressions if on is not None else ()), *(order.expressions if order is not None else ())]:
            self.named_or(item, rows, scope, ctes)
        for item in self.grouped(group):
            self.named_or(item, rows, scope, ctes, is_group=True)
        if (alone := ungrouped(tree, self.sql, scope, self.name)) is not None:
            told = f'column "{alone[0]}" must appear in the GROUP BY clause or be used in an aggregate function'
            raise _fault(told, alone[1])
        return rows

    def grouped(self, group: Any) -> list[Any]:
        if group is None:
            return []
        sets = [one for key in ("grouping_sets", "rollup", "cube") for one in group.args.get(key) or ()]
        return [*group.expressions, *sets]

    def named_or(self, item: Any, rows: Rows, scope: Scope, ctes: Ctes, is_group: bool = False) -> None:
        """Look at an expression of ORDER BY or GROUP BY, which may be the name of a column of the result."""
        from sqlglot import exp

        node = item.this if isinstance(item, exp.Ordered) else item
        while isinstance(node, exp.Paren):
            node = node.this
        if isinstance(node, exp.Column) and len(node.parts) == 1 and isinstance(node.this, exp.Identifier):
            name = self.name(node.this)
            if rows.types(name) or rows.is_open:
                return
        self.type(item, scope, ctes)

    def projections(self, tree: Any, scope: Scope, ctes: Ctes) -> Rows:
        found: list[Column] = []
        has_more = False
        for item in tree.expressions:
            if item.is_star:
                rows = self.starred(item, scope)
                found, has_more = [*found, *rows.columns], has_more or rows.has_more
                continue
            kind = self.type(item, scope, ctes)
            name = _result_name(item)
            found.append(Column("" if name is None else self.name(name), kind))
        return Rows(tuple(found), has_more)

    def starred(self, item: Any, scope: Scope) -> Rows:
        from sqlglot import exp

        if isinstance(item, exp.Star) and not item.args.get("except_") and not item.args.get("replace"):
            return Rows(scope.star or (), scope.star is None or any(rows.has_more for _, rows in scope.tables))
        if isinstance(item, exp.Column) and len(item.parts) == 2:
            return self.aliased(item, scope)
        raise Unclear("a star")

    # FROM

    def join(self, join: Any, scope: Scope, ctes: Ctes) -> None:
        if join.args.get("pivots") or join.args.get("expressions"):
            raise Unclear("a pivot")
        before, left = [rows for _, rows in scope.tables], scope.star
        scope.star = ()
        self.table(join.this, scope, ctes)
        added = [rows for _, rows in scope.tables[len(before) :]]
        on, using = join.args.get("on"), join.args.get("using") or ()
        is_natural = (join.method or "").upper() == "NATURAL"
        scope.has_commas = scope.has_commas or not (on or using or is_natural or join.kind)
        for identifier in using:
            name = self.name(identifier)
            for rows, side in ((before, "left"), (added, "right")):
                if not any(one.types(name) or one.is_open for one in rows):
                    told = f'column "{name}" specified in USING clause does not exist in {side} table'
                    raise _fault(told, identifier)
            scope.merged.add(name)
        shared = [self.name(one) for one in using]
        if is_natural:
            sides = [{column.name for one in rows for column in one.columns} for rows in (before, added)]
            scope.merged |= sides[0] & sides[1]
            shared = [column.name for column in left or () if column.name in sides[1]]
            if scope.is_open:
                raise Unclear("a natural join of unknown columns")
        scope.star = None if shared and scope.has_commas else _joined(left, scope.star, shared)
        if on is not None:
            self.type(on, scope, ctes)

    def table(self, node: Any, scope: Scope, ctes: Ctes) -> None:
        """Add what stands in a FROM to the scope."""
        from sqlglot import exp

        if node.args.get("pivots"):
            raise Unclear("a pivot")
        alias = node.args.get("alias")
        if isinstance(node, exp.Subquery) and not isinstance(node.this, exp.Query):
            if alias is not None or scope.tables:
                raise Unclear("a join in brackets")
            self.table(node.this, scope, ctes)
        else:
            names = (
                [self.name(one.this if isinstance(one, exp.ColumnDef) else one) for one in alias.columns]
                if alias
                else []
            )
            rows = self.relation(node, scope, ctes).renamed(names)
            named = alias.this if alias is not None and alias.this is not None else node.this
            scope.star = None if scope.star is None else (*scope.star, *rows.columns)
            scope.tables.append((self.name(named) if isinstance(named, exp.Identifier) else "", rows))
        for join in node.args.get("joins") or ():
            self.join(join, scope, ctes)

    def relation(self, node: Any, scope: Scope, ctes: Ctes) -> Rows:
        from sqlglot import exp

        match node:
            case exp.Table() if isinstance(node.this, exp.Identifier):
                name = self.name(node.this)
                if not node.db and name in ctes:
                    return ctes[name]
                found = self.given.get(TableName.of(*(part.name for part in node.parts)))
                if found is None:
                    raise Unclear(f"no table `{name}`")
                return Rows(tuple(found), may_have_key=True)
            case exp.Subquery():
                return replace(self.query(node, scope.outer, ctes), may_have_key=_is_of_others(node.this))
            case exp.Values():
                return self.values(node, scope.outer, ctes)
            case exp.Lateral() if isinstance(node.this, exp.Subquery):
                return self.query(node.this, scope, ctes)
            case exp.Table() | exp.Lateral() | exp.Unnest():
                for inner in node.expressions if isinstance(node, exp.Unnest) else [node.this]:
                    self.type(inner, scope, ctes)
                return Rows((), True)
        raise Unclear(type(node).__name__)

    # Expressions

    def type(self, node: Any, scope: Scope, ctes: Ctes) -> str:
        """Return the type of an expression, and look at all columns in it."""
        from sqlglot import exp

        if isinstance(node, exp.Column):
            return self.column(node, scope)
        if isinstance(node, exp.Query):
            rows = self.query(node, scope, ctes)
            return rows.columns[0].type if len(rows.columns) == 1 and not rows.has_more else UNKNOWN
        if isinstance(node, (exp.Lambda, exp.Columns, exp.PositionalColumn)):
            raise Unclear(type(node).__name__)
        parts = _parts(node)
        kinds = [self.type(part, scope, ctes) for part in parts]
        if (
            isinstance(node, _comparisons())
            and len(parts) == 2
            and not any(isinstance(part, (exp.Query, exp.Any, exp.All, exp.Tuple)) for part in parts)
        ):
            self.refuse_conflict(kinds[0], _SIGNS[node.key], kinds[1], node)
        if isinstance(node, (exp.In, exp.Between)) and not node.args.get("unnest"):
            for kind in kinds[1:]:
                self.refuse_conflict(kinds[0], "=" if isinstance(node, exp.In) else ">=", kind, node)
        return result(node, kinds, self.dialect)

    def refuse_conflict(self, one: str, sign: str, other: str, node: Any) -> None:
        if conflict(one, other, self.dialect):
            raise _fault(f"operator does not exist: {one.partition('(')[0]} {sign} {other.partition('(')[0]}", node)

    def column(self, node: Any, scope: Scope) -> str:
        from sqlglot import exp

        if len(node.parts) > 2:
            return UNKNOWN
        if node.table:
            name = self.name(node.this) if isinstance(node.this, exp.Identifier) else ""
            rows = self.aliased(node, scope)
            found = rows.types(name)
            if len(found) > 1:
                raise _fault(f'column reference "{name}" is ambiguous', node)
            if not found and name and not rows.is_open and name not in _SYSTEM:
                raise _fault(f"column {self.name(node.args['table'])}.{name} does not exist", node)
            return found[0] if found else UNKNOWN
        return self.bare(node, self.name(node.this), scope)

    def bare(self, node: Any, name: str, scope: Scope) -> str:
        around: Scope | None = scope
        while around is not None:
            found = [kind for _, rows in around.tables for kind in rows.types(name)]
            if len(found) == 1 or (found and (name in around.merged or around.has_commas)):
                return found[0] if len(found) == 1 else UNKNOWN
            if found:
                raise _fault(f'column reference "{name}" is ambiguous', node)
            if around.is_open:
                return UNKNOWN
            around = around.outer
        if name in _SYSTEM or name in scope.aliases() or (name in _NO_COLUMNS and not node.this.quoted):
            return UNKNOWN
        raise _fault(f'column "{name}" does not exist', node)

    def aliased(self, node: Any, scope: Scope) -> Rows:
        """Return the table that stands before a column's dot."""
        alias = self.name(node.args["table"])
        around: Scope | None = scope
        while around is not None:
            found = [rows for name, rows in around.tables if name == alias]
            if found or any(not name for name, _ in around.tables):
                return found[0] if len(found) == 1 else Rows((), True)
            around = around.outer
        raise _fault(f'missing FROM-clause entry for table "{alias}"', node)


def _joined(
    left: tuple[Column, ...] | None, right: tuple[Column, ...] | None, shared: Sequence[str]
) -> tuple[Column, ...] | None:
    """Return what `*` is of a join: the columns that both sides share come first, and once."""
    if left is None or right is None:
        return None
    first = [column for name in shared for column in left if column.name == name]
    return (*first, *(column for column in (*left, *right) if column.name not in shared))


def _is_of_others(query: Any) -> bool:
    """Tell whether a query of no rows stands for a table that sqlflow did not make: it says `where false`."""
    from sqlglot import exp

    where = query.args.get("where")
    return where is not None and isinstance(where.this, exp.Boolean) and not where.this.this


def _parts(node: Any) -> list[Any]:
    """Return the expressions inside of an expression, in order; the names of arguments and types are none."""
    from sqlglot import exp

    skipped = (exp.Identifier, exp.DataType, exp.Var, exp.Literal)
    children: Iterable[Any] = node.iter_expressions()
    if isinstance(node, (exp.Kwarg, exp.PropertyEQ)):
        children = [node.expression]
    return [child for child in children if not isinstance(child, skipped) or isinstance(child, exp.Literal)]


def _result_name(item: Any) -> Any:
    """Return the identifier that names a column of the result; None where the engine makes one up."""
    from sqlglot import exp

    while isinstance(item, (exp.Paren, exp.Cast)):
        item = item.this
    if isinstance(item, exp.Alias):
        return item.args["alias"]
    return item.this if isinstance(item, exp.Column) and isinstance(item.this, exp.Identifier) else None


_SIGNS = {"eq": "=", "neq": "<>", "lt": "<", "lte": "<=", "gt": ">", "gte": ">="}


def _comparisons() -> tuple[type[Any], ...]:
    from sqlglot import exp

    return (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE)
