"""From a query to where its columns come from: which columns of which input each one needs, and which its rows need.

A column's origin is what its values are computed from; the rows' origin is all that decides which rows there are, and in
which order they lie: FROM, JOIN, WHERE, GROUP BY, DISTINCT, ORDER BY, LIMIT and the like. Where a name may mean one of
several columns, all of them are read. What cannot be told at all has no lineage, and reads everything.

DuckDB's scoping decides (tried on 1.5.6 and 2.0): a column hides an alias of its name in SELECT, WHERE and GROUP BY, and
an inner column hides an outer one; in HAVING, QUALIFY and ORDER BY either may win.
"""

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from sqlflow.core.names import TableName
from sqlflow.plan.functions import aggregates, children, function_name, heeds_order, makes_rows, parameters
from sqlflow.plan.origins import Origin, Read, Relation, Scope, Unclear, any_of, distinct, hashed, in_order, merged
from sqlflow.plan.stars import is_star, refuse_patterns, starred
from sqlflow.read.tables import is_file

_ALIAS_CLAUSES = ("having", "qualify", "windows", "distinct", "order", "limit", "offset", "sort", "cluster")
_PLAIN_TABLE = frozenset(
    (
        "this",
        "alias",
        "db",
        "catalog",
        "joins",
        "laterals",
        "with_",
        "order",
        "limit",
        "offset",
        "expressions",
        "rows_from",
    )
)
_NO_ROWS = ("expressions", "with_", "hint", "group")


class Lineage(Struct, frozen=True):
    """Where a query's columns, in order, and its rows come from. `ordered` tells that the order of what is read counts.

    `columns` is None if their names cannot be told; `every` is all columns together.
    """

    rows: Origin
    every: Origin
    columns: Mapping[str, Origin] | None
    ordered: bool
    result: Relation

    def column(self, name: str) -> Origin | None:
        """Return where one column comes from; None if there is none of that name."""
        found = self.result.columns.get(name)
        return found or (self.result.unknown(name) if self.result.unknown else None)

    @property
    def reads(self) -> frozenset[Read]:
        """All that is read, for whatever purpose."""
        return self.rows.reads | self.every.reads


class Input(Struct, frozen=True):
    """A table that a query names: what it is called in the reads, and its columns if they are known."""

    name: str
    columns: tuple[str, ...] | None = None


def lineage(sql: str, inputs: Mapping[TableName, Input], dialect: str) -> Lineage | None:
    """Return the lineage of a SELECT over `inputs`, which are known by their names as written; None if it has none."""
    import sqlglot
    from sqlglot import exp
    from sqlglot.errors import SqlglotError

    try:
        tree = sqlglot.parse_one(sql, read=dialect)
        found = _Walk(sql, inputs, dialect).query(tree, None, {}) if isinstance(tree, exp.Query) else None
        if found is None:
            return None
        return Lineage(found.rows, found.every(), found.closed(), heeds_order(tree, sql, dialect), found)
    except (SqlglotError, Unclear, RecursionError, AttributeError, ValueError, TypeError, KeyError):
        return None


Ctes = Mapping[str, Relation]


class _Walk:
    """One walk over the tree of a query: each SELECT becomes a Relation."""

    def __init__(self, sql: str, inputs: Mapping[TableName, Input], dialect: str) -> None:
        self.sql = sql
        self.inputs = inputs
        self.dialect = dialect
        self.placed: dict[int, Origin] = {}
        """The rows of the tables in FROM clauses, by their nodes."""

    def query(self, tree: Any, outer: Scope | None, ctes: Ctes) -> Relation:
        from sqlglot import exp

        ctes = self.with_ctes(tree, outer, ctes)
        match tree:
            case exp.Select():
                return self.select(tree, outer, ctes)
            case exp.SetOperation():
                found = self.set_operation(tree, outer, ctes)
            case exp.Subquery() if isinstance(tree.this, exp.Query):
                found = self.query(tree.this, outer, ctes)
            case exp.Values():
                return self.values(tree, outer, ctes)
            case _:
                raise Unclear(type(tree).__name__)
        return self.modified(tree, found, outer, ctes)

    def modified(self, tree: Any, found: Relation, outer: Scope | None, ctes: Ctes) -> Relation:
        """Return a relation with the ORDER BY, LIMIT and the like that stand behind it."""
        names = {name for name, value in tree.args.items() if value} - {
            "this", "expression", "with_", "distinct", "by_name", "alias",
        }  # fmt: skip
        if names - {"order", "limit", "offset"}:
            raise Unclear(f"{sorted(names)} behind a query")
        scope = Scope(outer, [("", "", found)], aliases=dict(found.columns))
        clauses = [self.clause(name, tree.args[name], scope, ctes, found) for name in sorted(names)]
        return Relation(merged([found.rows, *clauses]), found.columns, found.unknown)

    def with_ctes(self, tree: Any, outer: Scope | None, ctes: Ctes) -> Ctes:
        from sqlglot import exp

        with_ = tree.args.get("with_")
        if with_ is None:
            return ctes
        visible = dict(ctes)
        for cte in with_.expressions:
            name, columns = cte.alias.lower(), [column.name.lower() for column in cte.args["alias"].columns]
            if with_.args.get("recursive") and isinstance(cte.this, exp.SetOperation):
                visible[name] = self.recursive(cte, name, columns, outer, visible)
            else:
                visible[name] = self.query(cte.this, outer, visible).renamed(columns)
        return visible

    def recursive(self, cte: Any, name: str, columns: list[str], outer: Scope | None, ctes: Ctes) -> Relation:
        """Return what a CTE that may read itself gives: each of its columns needs all that it reads."""
        start = self.query(cte.this.this, outer, ctes).renamed(columns)
        itself = Relation(
            Origin("itself"), {column: Origin(f"its {column}") for column in start.columns}, start.unknown
        )
        whole = self.query(cte.this, outer, {**ctes, name: itself}).whole()
        whole = Origin(hashed("recursive", whole.code), whole.reads)
        return Relation(whole, in_order(start.columns, whole), any_of(whole) if start.unknown else None)

    def set_operation(self, tree: Any, outer: Scope | None, ctes: Ctes) -> Relation:
        from sqlglot import exp

        left, right = self.query(tree.this, outer, ctes), self.query(tree.expression, outer, ctes)
        kind = f"{tree.key} {tree.args.get('distinct')} {tree.args.get('by_name')}"
        if any(tree.args.get(name) for name in ("side", "kind", "on")):
            raise Unclear("a set operation of another kind")
        rows = merged([left.rows, right.rows], kind)
        given = self.paired(left, right, bool(tree.args.get("by_name")))
        if isinstance(tree, exp.Union) and tree.args.get("distinct") is False:
            return Relation(rows, given.columns, given.unknown)
        return Relation(merged([rows, left.every(), right.every()], kind), given.columns, given.unknown)

    def paired(self, left: Relation, right: Relation, by_name: bool) -> Relation:
        """Return the columns of two relations that stand below each other."""
        if left.unknown or right.unknown:
            both = merged([left.every(), right.every()])
            return Relation(both, {}, any_of(both))
        if by_name:
            names = [*left.columns, *(name for name in right.columns if name not in left.columns)]
            sides = {name: [side.columns.get(name, Origin("null")) for side in (left, right)] for name in names}
        elif len(left.columns) != len(right.columns):
            raise Unclear("a different number of columns")
        else:
            sides = {
                name: [one, other]
                for (name, one), other in zip(left.columns.items(), right.columns.values(), strict=True)
            }
        return Relation(Origin(), {name: merged(pair, "union") for name, pair in sides.items()})

    def values(self, tree: Any, outer: Scope | None, ctes: Ctes) -> Relation:
        if any(tree.args.get(name) for name in ("order", "limit", "offset", "pivots")):
            raise Unclear("more than values")
        whole = merged([self.expression(item, Scope(outer), ctes) for item in tree.expressions], "values")
        alias = tree.args.get("alias")
        names = [column.name.lower() for column in alias.columns] if alias else []
        return Relation(whole, in_order(names, whole), None if names else any_of(whole))

    # One SELECT

    def select(self, tree: Any, outer: Scope | None, ctes: Ctes) -> Relation:
        if tree.args.get("pivots") or tree.args.get("kind") or tree.args.get("exclude"):
            raise Unclear("a pivot")
        scope = Scope(outer)
        if tree.args.get("from_") is not None:
            self.table(tree.args["from_"].this, scope, ctes)
        for lateral in tree.args.get("laterals") or ():
            self.table(lateral, scope, ctes)
        for join in tree.args.get("joins") or ():
            self.join(join, scope, ctes)
        given = self.projections(tree, scope, ctes)
        group = tree.args.get("group")
        clauses = [self.clause("group", group, scope, ctes, given)] if group is not None else []
        for name, value in tree.args.items():
            if value and name not in _NO_ROWS:
                clauses.append(self.clause(name, value, scope, ctes, given))
        if self.shapes_rows(tree):
            clauses.append(given.every())
        items = [
            *tree.expressions,
            *(tree.args[name] for name in ("having", "qualify", "order") if tree.args.get(name)),
        ]
        if group is None and any(aggregates(item, self.sql) for item in items):
            clauses.append(Origin("one row"))
        return Relation(merged(clauses, "select"), given.columns, given.unknown)

    def shapes_rows(self, tree: Any) -> bool:
        """Tell whether the columns decide which rows there are."""
        group, order = tree.args.get("group"), tree.args.get("order")
        return bool(
            tree.args.get("distinct")
            or (group is not None and (group.args.get("all") or not group.expressions))
            or (order is not None and any(item.name.upper() == "ALL" for item in order.expressions))
            or any(makes_rows(item, self.sql, self.dialect) for item in tree.expressions)
        )

    def clause(self, name: str, value: Any, scope: Scope, ctes: Ctes, given: Relation) -> Origin:
        """Return what a clause needs. A number in GROUP BY and ORDER BY stands for the column of that place."""
        from sqlglot import exp

        nodes, names = value if isinstance(value, list) else [value], list(given.columns)
        found = [
            self.expression(node, scope, ctes, name in _ALIAS_CLAUSES)
            if isinstance(node, exp.Expression)
            else Origin(repr(node))
            for node in nodes
        ]
        for node in nodes if name in ("group", "order") else ():
            for literal in node.find_all(exp.Literal):
                place = int(literal.this) if not literal.is_string and literal.this.isdigit() else 0
                is_place = 0 < place <= len(names) and not given.unknown
                found.append(given.columns[names[place - 1]] if is_place else given.every())
        return merged(found, name)

    def projections(self, tree: Any, scope: Scope, ctes: Ctes) -> Relation:
        pairs: list[tuple[str, Origin]] = []
        unknown: list[Callable[[str], Origin]] = []
        for number, item in enumerate(tree.expressions):
            if is_star(item):
                found = starred(item, scope, lambda replaced: self.expression(replaced, scope, ctes))
                pairs += found.columns.items()
                unknown += [found.unknown] if found.unknown else []
                continue
            refuse_patterns(item)
            origin = self.expression(item, scope, ctes)
            name = item.output_name
            pairs.append((name.lower() or f"?{number}", Origin(hashed(name, origin.code), origin.reads)))
            if name:
                scope.aliases.setdefault(name.lower(), pairs[-1][1])
        columns = distinct(pairs)
        scope.aliases |= columns
        opener = (lambda name: merged([of(name) for of in unknown])) if unknown else None
        return Relation(Origin(), columns, opener)

    # FROM

    def join(self, join: Any, scope: Scope, ctes: Ctes) -> None:
        before = len(scope.tables)
        self.table(join.this, scope, ctes)
        if join.args.get("pivots") or join.args.get("expressions"):
            raise Unclear("a pivot")
        if (join.kind or "").upper() in ("SEMI", "ANTI"):
            scope.hidden |= set(range(before, len(scope.tables)))
        shared = {name.name.lower() for name in join.args.get("using") or ()}
        if (join.method or "").upper() == "NATURAL":
            sides = [{name for _, _, table in part for name in table.columns} for part in
                     (scope.tables[:before], scope.tables[before:])]  # fmt: skip
            if any(table.unknown for _, _, table in scope.tables):
                raise Unclear("a natural join of unknown columns")
            shared = sides[0] & sides[1]
        scope.shared.update((name, scope.shared.get(name, 0) + 1) for name in shared)

    def table(self, node: Any, scope: Scope, ctes: Ctes) -> None:
        """Add what stands in a FROM to the scope."""
        from sqlglot import exp

        if any(value for name, value in node.args.items() if name not in _PLAIN_TABLE):
            raise Unclear("a pivot, a sample or the like")
        alias = node.args.get("alias")
        names = [column.name.lower() for column in alias.columns] if isinstance(alias, exp.TableAlias) else []
        if (
            isinstance(node, exp.Subquery)
            and isinstance(node.this, (exp.Table, exp.Subquery))
            and not node.this.alias_or_name
        ):
            raise Unclear("brackets in FROM")
        if isinstance(node, exp.Subquery) and isinstance(node.this, exp.Table):
            if node.alias:
                raise Unclear("an alias of a join in brackets")
            self.table(node.this, scope, ctes)
            self.placed[id(node)] = self.placed[id(node.this)]
        else:
            found = self.relation(node, scope, ctes)
            if not isinstance(node, exp.Values):
                found = found.renamed(names)
            self.placed[id(node)] = found.rows
            bare = node.name if isinstance(node, exp.Table) and isinstance(node.this, exp.Identifier) else ""
            db = node.db if isinstance(node, exp.Table) and not node.alias else ""
            found = found.as_another(f"table {len(scope.tables)}") if scope.tables else found
            scope.tables.append(((node.alias or bare).lower(), db.lower(), found))
        for join in node.args.get("joins") or ():
            self.join(join, scope, ctes)
            self.placed[id(node)] = merged([self.placed[id(node)], self.expression(join, scope, ctes)])
        for lateral in node.args.get("laterals") or ():
            self.table(lateral, scope, ctes)

    def relation(self, node: Any, scope: Scope, ctes: Ctes) -> Relation:
        from sqlglot import exp

        match node:
            case exp.Table() if isinstance(node.this, exp.Identifier):
                return self.named(node, ctes)
            case exp.Subquery():
                return self.query(node, scope, ctes)
            case exp.Values():
                return self.values(node, scope, ctes)
            case exp.Lateral() if isinstance(node.this, exp.Subquery):
                return self.query(node.this, scope, ctes)
            case exp.Table() | exp.Lateral() | exp.Unnest():
                inner = node if isinstance(node, exp.Unnest) else node.this
                whole = self.expression(inner, Scope(scope, is_call=True), ctes)
                return Relation(whole, {}, any_of(whole))
        raise Unclear(type(node).__name__)

    def named(self, node: Any, ctes: Ctes) -> Relation:
        parts = [part.name for part in (node.args.get("catalog"), node.args.get("db"), node.this) if part is not None]
        name = parts[-1].lower()
        if len(parts) == 1 and name in ctes:
            return ctes[name]
        found = self.inputs.get(TableName.of(*parts))
        if found is None and not is_file(parts[-1]):
            raise Unclear(f"no table `{name}`")
        if found is None:
            whole = Origin(hashed("file", ".".join(parts)))
            return Relation(whole, {}, any_of(whole))
        rows = Origin(f"rows {found.name}", frozenset({Read(found.name)}))

        def column(name: str) -> Origin:
            return Origin(f"{found.name} {name}", frozenset({Read(found.name, name)}))

        known = found.columns
        return Relation(rows, {} if known is None else {c: column(c) for c in known}, column if known is None else None)

    # Expressions

    def expression(self, node: Any, scope: Scope, ctes: Ctes, with_alias: bool = False) -> Origin:
        """Return what an expression is computed from, in the given scope."""
        from sqlglot import exp

        if id(node) in self.placed:
            return self.placed[id(node)]
        if isinstance(node, exp.Column):
            return self.column(node, scope, with_alias, parameters(node))
        if isinstance(node, exp.Exists) and isinstance(node.this, exp.Query):
            return merged([self.query(node.this, scope, ctes).rows], "exists")
        if isinstance(node, exp.Query):
            return self.query(node, scope, ctes).whole()
        if isinstance(node, (exp.PositionalColumn, exp.Columns)):
            raise Unclear("a column by its place or by a pattern")
        found = [Origin(f"{node.key} {function_name(node, self.sql) if isinstance(node, exp.Func) else ''}")]
        for name, child in children(node):
            is_node = isinstance(child, exp.Expression)
            found.append(self.expression(child, scope, ctes, with_alias) if is_node else Origin(repr(child)))
            found.append(Origin(name))
        if isinstance(node, exp.Join):
            names = [name.name.lower() for name in node.args.get("using") or ()]
            names = sorted(scope.shared) if (node.method or "").upper() == "NATURAL" else names
            found += [scope.bare(name, False) for name in names]
        return merged(found, node.key)

    def column(self, node: Any, scope: Scope, with_alias: bool, parameters: frozenset[str]) -> Origin:
        from sqlglot import exp

        if isinstance(node.this, exp.Star):
            found = [table.whole() for alias, _, table in scope.tables if alias == node.table.lower()]
            if not found:
                raise Unclear("a star of no table")
            return merged(found)
        parts = [part.name.lower() for part in node.parts]
        if parts[0] in parameters:
            return Scope(scope, is_call=True).bare(parts[0], with_alias)
        return scope.bare(parts[0], with_alias) if len(parts) == 1 else scope.qualified(parts)
