"""What a tree of SQL reads: tables with their places in the text, files, and functions that nobody knows."""

import re
from collections import defaultdict
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from sqlflow.core.block import TableUse
from sqlflow.core.names import TableName

_FILE_FUNCTIONS = re.compile(
    r"(read_csv(_auto)?|sniff_csv|read_parquet|parquet_(scan|metadata|schema)|read_(nd)?json(_auto|_objects(_auto)?)?"
    r"|read_(text|blob|xlsx))"
)
_TABLE = re.compile(r"\btable\s+\Z", re.IGNORECASE)
"""What stands before the name in `table t`, which is short for `select * from t` and takes no alias."""
_HIDING_FUNCTIONS = frozenset({"query", "query_table"})
_FILE_NAME = re.compile(r".*\.(csv|tsv|parquet|json|jsonl|ndjson|txt|xlsx|db|duckdb)(\.(gz|zst))?", re.IGNORECASE)


class Found(Struct, frozen=True):
    uses: frozenset[TableUse]
    files: tuple[str, ...]
    hidden: tuple[int, ...]
    functions: tuple[str, ...]
    """Functions that sqlglot knows nothing of, and readers of files whose paths are not known."""
    writes: str
    """What writes, if there is anything of the kind."""


_BEHIND_DOT = re.compile(r"\s*\.\s*(\w+)")
_OWN_SCHEMAS = frozenset({"pg_catalog", "information_schema", "main", "system"})
"""Those of the engines themselves; what a user adds to DuckDB's `main` is found without it as well."""


def _recurs(body: Any) -> bool:
    from sqlglot import exp

    return type(body) is exp.Union and not body.args.get("by_name") and body.args.get("with_") is None


class Finder:
    """One walk over a tree, with the CTE names that are visible at each node."""

    def __init__(self, sql: str, chains: bool = True) -> None:
        """`chains` tells that a function behind a dot may be called on the value before it, and not be one of a schema."""
        self.sql = sql
        self.chains = chains
        self.uses: set[TableUse] = set()
        self.files: dict[str, None] = {}
        self.hidden: list[int] = []
        self.columns: list[Any] = []
        self.plain: list[tuple[TableUse, Any]] = []
        """Tables without an alias of their own, and the SELECT that each stands in."""
        self.functions: set[str] = set()
        self.nodes: list[Any] = []
        """All that was walked over but for the leaves, which are cut from their parents at once."""
        self.is_complete = True

    def found(self, tree: Any) -> Found | None:
        """Return what the tree reads; None if a table has no place in the text."""
        from sqlglot import exp

        writing = (exp.Insert, exp.Update, exp.Delete, exp.Merge, exp.Into, exp.Create, exp.Drop)
        looked_at = (
            exp.Table,
            exp.Column,
            exp.Anonymous,
            exp.AnonymousAggFunc,
            *writing,
            *(() if self.chains else (exp.Dot, exp.Operator)),
        )
        writes = ""
        leaves = (exp.Identifier, exp.Literal)  # half of the nodes, which have none below them
        stack: list[tuple[Any, frozenset[str]]] = [(tree, frozenset())]
        while stack:
            node, visible = stack.pop()
            with_ = node.args.get("with_") or node.args.get("with")
            visible = visible if with_ is None else self._ctes(with_, visible, stack)
            if not isinstance(node, looked_at):
                pass
            elif isinstance(node, exp.Table):
                self._table(node, visible)
            elif isinstance(node, exp.Column):
                if node.args.get("db") is not None:
                    self.columns.append(node)
            elif isinstance(node, writing):
                writes = writes or node.key
            elif isinstance(node, (exp.Dot, exp.Operator)):
                self._of_schema(node.this, node.expression if isinstance(node, exp.Dot) else node)
            elif not _FILE_FUNCTIONS.fullmatch(node.name.lower()):
                self.functions.add(node.name.lower())
            self.nodes.append(node)
            for child in node.iter_expressions():
                if child.__class__ in leaves:
                    child.parent = None
                elif child is not with_:
                    stack.append((child, visible))
        self._qualifiers()
        if not self.is_complete:
            return None
        return Found(frozenset(self.uses), tuple(self.files), tuple(self.hidden), tuple(sorted(self.functions)), writes)

    def let_go(self) -> None:
        """Cut the tree's nodes from their parents: it then goes with whoever holds it last.

        Rings wait for Python's search for garbage instead, far from the processor's caches: a sixth of what reading a query takes.
        """
        for node in self.nodes:
            node.parent = None

    def _ctes(self, with_: Any, visible: frozenset[str], stack: list[tuple[Any, frozenset[str]]]) -> frozenset[str]:
        """Queue the bodies of CTEs and return the names visible behind them.

        A CTE sees those before it. WITH RECURSIVE lets it see itself in one place, the right side of the UNION that is
        its body: everywhere else its name is that of a table (tried on DuckDB 1.5.6 and 2.0.0).
        """
        self.nodes += (with_, *with_.expressions)
        for cte in with_.expressions:
            name = cte.alias.lower()
            stack += [(child, visible) for child in cte.iter_expressions() if child is not cte.this]
            if with_.args.get("recursive") and _recurs(cte.this):
                right = cte.this.expression
                stack.append((right, visible | {name}))
                stack += [(child, visible) for child in cte.this.iter_expressions() if child is not right]
            else:
                stack.append((cte.this, visible))
            visible |= {name}
        return visible

    def _table(self, table: Any, visible: frozenset[str]) -> None:
        from sqlglot import exp

        if not isinstance(table.this, exp.Identifier):
            if isinstance(table.this, exp.Func):
                self._function(table.this)
                self._of_schema(table.args.get("db"), table.this)
            elif table.this is not None and not isinstance(table.this, (exp.Subquery, exp.Values)):
                self.is_complete = False
            return
        parts = [part for part in (table.args.get("catalog"), table.args.get("db"), table.this) if part is not None]
        if any(not isinstance(part, exp.Identifier) or "start" not in part.meta for part in parts):
            self.is_complete = False
            return
        start, end = parts[0].meta["start"], parts[-1].meta["end"] + 1
        if len(parts) == 1 and self.sql[start] in "'\"" and is_file(table.name):
            self.files[table.name] = None
            return
        if table.name.lower() in visible and (len(parts) == 1 or table.db.lower() == "recurring"):
            return
        if len(parts) == 1 and table.name.lower() == "show" and isinstance(table.parent, exp.Subquery):
            self.functions.add("show")
            return
        takes_none = isinstance(table.parent, (exp.Describe, exp.Summarize)) or _TABLE.search(
            self.sql, max(0, start - 20), start
        )
        aliased = bool(table.alias) or bool(takes_none)
        use = TableUse(TableName.of(*(part.name for part in parts)), start, end, aliased)
        self.uses.add(use)
        if not aliased:
            self.plain.append((use, table.parent_select))

    def _function(self, function: Any) -> None:
        from sqlglot import exp

        name = (function.name if isinstance(function, exp.Anonymous) else _function_name(function)).lower()
        if name in _HIDING_FUNCTIONS:
            self.hidden.append(function.meta.get("start", 0))
        if _FILE_FUNCTIONS.fullmatch(name):
            arguments = [
                argument for argument in (function.this, *function.expressions) if isinstance(argument, exp.Expression)
            ]
            for argument in arguments[:1]:
                literals = argument.expressions if isinstance(argument, exp.Array) else [argument]
                paths = [item.this for item in literals if isinstance(item, exp.Literal) and item.is_string]
                self.files |= dict.fromkeys(paths)
                if len(paths) != len(literals):
                    self.functions.add(name)

    def _of_schema(self, schema: Any, function: Any) -> None:
        """Add a function or an operator that is called by its schema: it is the user's own, whatever its name is."""
        from sqlglot import exp

        if isinstance(function, exp.Operator):
            self.functions.add("operator")
        elif isinstance(schema, exp.Identifier) and isinstance(function, exp.Func):
            written = _BEHIND_DOT.match(self.sql, schema.meta.get("end", 0) + 1)
            name = written[1] if written else function.sql_name()
            if schema.name.lower() not in _OWN_SCHEMAS:
                self.functions.add(f"{schema.name}.{name}".lower())

    def _qualifiers(self) -> None:
        """Tell tables of one bare name in one FROM apart, and find the columns that name a table with its schema."""
        scopes: dict[int, dict[str, set[TableName]]] = defaultdict(lambda: defaultdict(set))
        for use, select in self.plain:
            scopes[id(select)][use.name.name].add(use.name)
        for use, select in self.plain:
            if len(scopes[id(select)][use.name.name]) > 1:
                self.uses.remove(use)
                self.uses.add(replace(use, alias="__".join(use.name.parts)))
        for column in self.columns:
            parts = [
                part for part in (column.args.get("catalog"), column.args.get("db"), column.args.get("table")) if part
            ]
            # With all parts they name the column's table; with the first two alone the others are a column and its fields.
            for named in (parts, parts[:2])[: len(parts) - 1]:
                name = TableName.of(*(part.name for part in named))
                select = column.parent_select
                while select is not None and name not in scopes[id(select)][name.name]:
                    select = select.parent_select
                if select is not None:
                    self._qualifier(name, named, len(scopes[id(select)][name.name]) > 1)
                    break

    def _qualifier(self, name: TableName, parts: list[Any], is_doubled: bool) -> None:
        if all("start" in part.meta for part in parts):
            alias = "__".join(name.parts) if is_doubled else ""
            start, end = parts[0].meta["start"], parts[-1].meta["end"] + 1
            self.uses.add(TableUse(name, start, end, True, qualifier=True, alias=alias))


def is_file(name: str) -> bool:
    """Tell whether a name in quotes is that of a file, a glob or a URL."""
    return _FILE_NAME.fullmatch(name) is not None or "*" in name or "://" in name


def unnamed(tree: Any) -> tuple[int, ...]:
    """Return where the outermost SELECT has expressions without a name; a `*` or a PIVOT takes names from data."""
    from sqlglot import exp

    named = (exp.Alias, exp.Aliases, exp.Column, exp.Columns, exp.Dot, exp.Star)
    items = [item for item in tree.selects if not isinstance(item, named)] if isinstance(tree, exp.Query) else []
    return tuple(
        min((node.meta.get("start", 0) for node in item.walk() if "start" in node.meta), default=0) for item in items
    )


def _function_name(function: Any) -> str:
    name: str = function.sql_name()
    return {"READ_CSV": "read_csv", "READ_PARQUET": "read_parquet"}.get(name, name)
