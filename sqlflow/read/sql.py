"""What a SELECT reads: its tables with their places in the text, and its files."""

import hashlib
import re
import sys
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from sqlflow.core.block import TableUse
from sqlflow.core.engine import Engine
from sqlflow.core.errors import ProjectError
from sqlflow.core.names import TableName
from sqlflow.core.text import MappedText, Place

NESTING_AT_MOST = 1000
BYTES_AT_MOST = 4 << 20
_PLAIN_NESTING = 30
_STACK_BYTES = 512 << 20
_RECURSION = 200_000
_STARTS = frozenset(
    {
        "SELECT",
        "WITH",
        "FROM",
        "VALUES",
        "PIVOT",
        "PIVOT_WIDER",
        "PIVOT_LONGER",
        "UNPIVOT",
        "TABLE",
        "DESCRIBE",
        "SUMMARIZE",
        "(",
    }
)
_FILE_FUNCTIONS = re.compile(
    r"(read_csv(_auto)?|sniff_csv|read_parquet|parquet_(scan|metadata|schema)|read_(nd)?json(_auto|_objects(_auto)?)?"
    r"|read_(text|blob|xlsx))"
)
_HIDING_FUNCTIONS = frozenset({"query", "query_table"})
_FILE_NAME = re.compile(r".*\.(csv|tsv|parquet|json|jsonl|ndjson|txt|xlsx|db|duckdb)(\.(gz|zst))?", re.IGNORECASE)
_BEFORE_TABLE = frozenset(
    {"FROM", "JOIN", "PIVOT", "PIVOT_WIDER", "PIVOT_LONGER", "UNPIVOT", "TABLE", "DESCRIBE", "SUMMARIZE", "ONLY", ","}
)
_QUOTES = re.compile("[\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f\u00b4\u2032\u2033]")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Inference:
    """What was found in one SELECT. `end` is the offset behind its last token, before any semicolon."""

    end: int
    tables: tuple[TableUse, ...] = ()
    files: tuple[str, ...] = ()
    opaque: bool = False
    known: bool = True
    """False if no parser could name the tables."""
    unclear: frozenset[TableName] = frozenset()
    """Bare names in opaque SQL that are a CTE's as well: which place means which cannot be told."""
    unnamed: tuple[int, ...] = ()
    """Offsets of the outermost SELECT's expressions that have no name."""
    code: str = ""
    """A hash of the tokens: comments and white space do not count."""
    volatile: str = ""
    """Why the same inputs may give another result; empty if they cannot."""


def infer(text: MappedText, engine: Engine, where: Place) -> Inference:
    """Return what the one SELECT of `text` reads.

    Raise ProjectError if it is no SELECT, several statements, or no SQL; `where` is told where the text has no place.
    """
    sql = text.text
    if len(sql.encode()) > BYTES_AT_MOST:
        raise ProjectError(f"the SQL is larger than {BYTES_AT_MOST >> 20} MiB", where)
    tokens = _tokens(text, engine, where)
    end = _statement_end(tokens, text, where)
    tokens = [token for token in tokens if token.start < end]
    depth = _nesting(tokens, text, where)
    _refuse_other_statements(tokens, sql[:end], text, engine, where)
    _refuse_syntax_errors(sql[:end], text, engine, where)
    tree = _tree(sql[:end], engine.dialect, depth)
    if tree is not None:
        found = _Finder(sql).found(tree)
        if found is not None:
            _refuse_hidden(found.hidden, text, where)
            _refuse_writes(tree, text, where)
            uses = tuple(sorted(found.uses, key=lambda use: use.start))
            return Inference(
                end, uses, tuple(found.files), unnamed=_unnamed(tree), code=_code(tokens),
                volatile=_volatile(tokens, engine) or _unknown(found.functions, engine),
            )  # fmt: skip
    names = engine.table_names(sql[:end])
    uses = tuple(_token_uses(tokens, sql, names or frozenset()))
    files = tuple(str(name.name) for name in names or () if not name.schema and _is_file(name.name))
    ctes = _cte_names(tokens)
    unclear = frozenset(use.name for use in uses if not use.name.schema and use.name.name in ctes)
    return Inference(
        end, uses, files, opaque=True, known=names is not None, unclear=unclear, code=_code(tokens),
        volatile="it is beyond what sqlflow can parse",
    )  # fmt: skip


_CLOCKS = frozenset(
    {"CURRENT_DATE", "CURRENT_TIME", "CURRENT_TIMESTAMP", "LOCALTIME", "LOCALTIMESTAMP", "CURRENT_USER", "SESSION_USER"}
)


def _code(tokens: Sequence[Any]) -> str:
    """Return what makes two texts the same query: their tokens, each with its kind."""
    content = "\x00".join(f"{token.token_type.name} {token.text}" for token in tokens)
    return hashlib.blake2b(content.encode(), digest_size=16).hexdigest()


def _volatile(tokens: Sequence[Any], engine: Engine) -> str:
    for token, following in zip(tokens, [*tokens[1:], None], strict=True):
        word = token.text.upper()
        if word in _CLOCKS and token.token_type.name != "STRING":
            return f"`{token.text}` gives another value each time"
        if word in ("TABLESAMPLE", "SAMPLE") and token.token_type.name not in ("STRING", "IDENTIFIER", "VAR"):
            return "a sample is another one each time"
        if following is not None and following.text == "(" and engine.stability(token.text.lower()) == "volatile":
            return f"`{token.text}()` gives another value each time"
    return ""


def _unknown(functions: Iterable[str], engine: Engine) -> str:
    for name in functions:
        if engine.stability(name) != "stable":
            return f"`{name}()` is not known to give the same each time"
    return ""


def named_uses(text: str, names: frozenset[TableName], dialect: str, anywhere: bool = False) -> tuple[TableUse, ...]:
    """Return where `text` names the given tables, told by tokens alone: for SQL that no parser reads.

    With `anywhere`, also behind words such as `insert into`, `update` or `on`, and before a bracket.
    """
    from sqlglot.dialects import Dialect

    return tuple(_token_uses(Dialect.get_or_raise(dialect).tokenize(text), text, names, anywhere))


def _tokens(text: MappedText, engine: Engine, where: Place) -> list[Any]:
    from sqlglot.dialects import Dialect
    from sqlglot.errors import TokenError

    try:
        tokens: list[Any] = Dialect.get_or_raise(engine.dialect).tokenize(text.text)
    except TokenError as error:
        refused = engine.syntax_error(text.text)
        message, position = refused or (str(error).split("\n")[0], None)
        raise ProjectError(message, _place(text, position or 0, where)) from error
    return tokens


def _place(text: MappedText, offset: int, where: Place, length: int = 1) -> Place:
    return text.place(offset, length) or where


def _statement_end(tokens: Sequence[Any], text: MappedText, where: Place) -> int:
    statements: list[Any] = []
    fresh = True
    end = 0
    for token in tokens:
        if token.token_type.name == "SEMICOLON":
            fresh = True
            continue
        if fresh:
            statements.append(token)
        fresh = False
        end = token.end + 1
    if not statements:
        raise ProjectError("there is no statement in the file", where, "a block is one SELECT")
    if len(statements) > 1:
        place = _place(text, statements[1].start, where, len(statements[1].text))
        raise ProjectError(
            f"a block is one statement, this is {len(statements)}", place, "take the others into blocks of their own"
        )
    return end


def _nesting(tokens: Sequence[Any], text: MappedText, where: Place) -> int:
    depth = deepest = 0
    for token in tokens:
        if token.text in ("(", "[", "{"):
            depth += 1
            deepest = max(deepest, depth)
            if depth >= NESTING_AT_MOST:
                raise ProjectError(
                    f"nested too deep: at most {NESTING_AT_MOST} brackets", _place(text, token.start, where)
                )
        elif token.text in (")", "]", "}"):
            depth -= 1
    return deepest


def _refuse_other_statements(tokens: Sequence[Any], sql: str, text: MappedText, engine: Engine, where: Place) -> None:
    first = next((token for token in tokens if token.text != "("), tokens[0])
    if first.text.upper() in _STARTS:
        return
    _refuse_syntax_errors(sql, text, engine, where)
    place = _place(text, first.start, where, len(first.text))
    raise ProjectError(f"a block is one SELECT, not `{first.text}`", place, "use `pre_statements` for what prepares it")


def _refuse_syntax_errors(sql: str, text: MappedText, engine: Engine, where: Place) -> None:
    refused = engine.syntax_error(sql)
    typographic = _QUOTES.search(sql)
    if typographic and (refused or _outside_strings(sql, typographic.start(), engine)):
        message = f"the typographic quote {typographic.group()} is no SQL quote"
        raise ProjectError(message, _place(text, typographic.start(), where), "use ' or \"")
    if refused:
        message, position = refused
        place = _place(text, position if position is not None else 0, where, _word_length(sql, position or 0))
        raise ProjectError(message, place)


def _outside_strings(sql: str, offset: int, engine: Engine) -> bool:
    """Tell whether the character is part of a bare word, where it was surely meant as a quote."""
    from sqlglot.dialects import Dialect

    tokens = Dialect.get_or_raise(engine.dialect).tokenize(sql)
    return any(t.token_type.name == "VAR" and t.start <= offset <= t.end for t in tokens)


def _word_length(sql: str, offset: int) -> int:
    match = re.compile(r"\w+").match(sql, offset)
    return len(match.group()) if match else 1


def _tree(sql: str, dialect: str, depth: int) -> Any:
    """Return sqlglot's tree, or None where it cannot read the SQL."""
    import logging

    import sqlglot
    from sqlglot.errors import SqlglotError
    from sqlglot.expressions import Command, Expression

    logging.getLogger("sqlglot").setLevel(logging.ERROR)

    def parsed() -> Any:
        try:
            trees = [tree for tree in sqlglot.parse(sql, read=dialect) if tree is not None]
        except (SqlglotError, ValueError, AttributeError, TypeError, KeyError, IndexError):
            return None
        tree = trees[0] if trees else None
        return tree if isinstance(tree, Expression) and not isinstance(tree, Command) else None

    if depth <= _PLAIN_NESTING:
        try:
            return parsed()
        except RecursionError:
            pass
    try:
        return _with_large_stack(parsed)
    except RecursionError:
        return None


def _with_large_stack(function: Callable[[], T]) -> T:
    """Run `function` where deep recursion is no harm: brackets over 44 levels pass Python's usual limit."""
    from concurrent.futures import ThreadPoolExecutor

    limit, size = sys.getrecursionlimit(), threading.stack_size(_STACK_BYTES)
    try:
        sys.setrecursionlimit(_RECURSION)
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(function).result()
    finally:
        sys.setrecursionlimit(limit)
        threading.stack_size(size)


@dataclass(frozen=True, slots=True)
class _Found:
    uses: frozenset[TableUse]
    files: tuple[str, ...]
    hidden: tuple[int, ...]
    functions: tuple[str, ...]
    """Functions that sqlglot knows nothing of, and readers of files whose paths are not known."""


def _recurs(body: Any) -> bool:
    from sqlglot import exp

    return type(body) is exp.Union and not body.args.get("by_name") and body.args.get("with_") is None


class _Finder:
    """One walk over a tree, with the CTE names that are visible at each node."""

    def __init__(self, sql: str) -> None:
        self.sql = sql
        self.uses: set[TableUse] = set()
        self.files: dict[str, None] = {}
        self.hidden: list[int] = []
        self.columns: list[Any] = []
        self.plain: list[tuple[TableUse, Any]] = []
        """Tables without an alias of their own, and the SELECT that each stands in."""
        self.functions: set[str] = set()
        self.is_complete = True

    def found(self, tree: Any) -> _Found | None:
        """Return what the tree reads; None if a table has no place in the text."""
        from sqlglot import exp

        stack: list[tuple[Any, frozenset[str]]] = [(tree, frozenset())]
        while stack:
            node, visible = stack.pop()
            with_ = node.args.get("with_") or node.args.get("with")
            if with_ is not None:
                visible = self._ctes(with_, visible, stack)
            if isinstance(node, exp.Table):
                self._table(node, visible)
            elif isinstance(node, exp.Column) and node.args.get("db") is not None:
                self.columns.append(node)
            elif isinstance(node, (exp.Anonymous, exp.AnonymousAggFunc)) and not _FILE_FUNCTIONS.fullmatch(
                node.name.lower()
            ):
                self.functions.add(node.name.lower())
            for child in node.iter_expressions():
                if child is not with_:
                    stack.append((child, visible))
        self._qualifiers()
        if not self.is_complete:
            return None
        return _Found(frozenset(self.uses), tuple(self.files), tuple(self.hidden), tuple(sorted(self.functions)))

    def _ctes(self, with_: Any, visible: frozenset[str], stack: list[tuple[Any, frozenset[str]]]) -> frozenset[str]:
        """Queue the bodies of CTEs and return the names visible behind them.

        A CTE sees those before it. WITH RECURSIVE lets it see itself in one place, the right side of the UNION that is
        its body: everywhere else its name is that of a table (tried on DuckDB 1.5.6 and 2.0.0).
        """
        for cte in with_.expressions:
            name = cte.alias.lower()
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
            elif table.this is not None and not isinstance(table.this, (exp.Subquery, exp.Values)):
                self.is_complete = False
            return
        parts = [part for part in (table.args.get("catalog"), table.args.get("db"), table.this) if part is not None]
        if any(not isinstance(part, exp.Identifier) or "start" not in part.meta for part in parts):
            self.is_complete = False
            return
        start, end = parts[0].meta["start"], parts[-1].meta["end"] + 1
        if len(parts) == 1 and self.sql[start] in "'\"" and _is_file(table.name):
            self.files[table.name] = None
            return
        if table.name.lower() in visible and (len(parts) == 1 or table.db.lower() == "recurring"):
            return
        if len(parts) == 1 and table.name.lower() == "show" and isinstance(table.parent, exp.Subquery):
            self.functions.add("show")
            return
        aliased = bool(table.alias) or isinstance(table.parent, (exp.Describe, exp.Summarize))
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
            parts = [p for p in (column.args.get("catalog"), column.args.get("db"), column.args.get("table")) if p]
            name = TableName.of(*(part.name for part in parts))
            select = column.parent_select
            while select is not None and name not in scopes[id(select)][name.name]:
                select = select.parent_select
            if select is not None and all("start" in part.meta for part in parts):
                alias = "__".join(name.parts) if len(scopes[id(select)][name.name]) > 1 else ""
                start, end = parts[0].meta["start"], parts[-1].meta["end"] + 1
                self.uses.add(TableUse(name, start, end, True, qualifier=True, alias=alias))


def _is_file(name: str) -> bool:
    return _FILE_NAME.fullmatch(name) is not None or "*" in name or "://" in name


def _unnamed(tree: Any) -> tuple[int, ...]:
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


def _refuse_hidden(offsets: Iterable[int], text: MappedText, where: Place) -> None:
    for offset in offsets:
        raise ProjectError(
            "a table that is named only at run time cannot be found",
            _place(text, offset, where, _word_length(text.text, offset)),
            "write the table's name behind FROM, with Jinja where it varies",
        )


def _refuse_writes(tree: Any, text: MappedText, where: Place) -> None:
    from sqlglot import exp

    write = tree.find(exp.Insert, exp.Update, exp.Delete, exp.Merge, exp.Into, exp.Create, exp.Drop)
    if write is not None:
        raise ProjectError(f"a block only reads; this holds `{write.key}`", where)


def _token_uses(
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
                aliased = _has_alias(following) or before in ("DESCRIBE", "SUMMARIZE")
                yield TableUse(name, tokens[run[0]].start, tokens[run[-1]].end + 1, aliased)
        index = run[-1] + 1 if run else index + 1


def _cte_names(tokens: Sequence[Any]) -> frozenset[str]:
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
