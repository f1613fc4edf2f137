"""What a SELECT reads: its tables with their places in the text, and its files."""

import re
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from msgspec import Struct

from sqlflow.core.block import TableUse
from sqlflow.core.engine import Engine
from sqlflow.core.errors import ProjectError
from sqlflow.core.names import TableName
from sqlflow.core.text import MappedText, Place
from sqlflow.read.tables import Finder, is_file, unnamed
from sqlflow.read.tokens import code, cte_names, dialect_of, token_uses, tokens_of, unknown, volatile

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
_QUOTES = re.compile("[\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f\u00b4\u2032\u2033]")
_BRACKETS = {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}
T = TypeVar("T")


class Inference(Struct, frozen=True):
    """What was found in one SELECT. `end` is the offset behind its last token, before any semicolon."""

    end: int
    tables: tuple[TableUse, ...] = ()
    files: tuple[str, ...] = ()
    opaque: bool = False
    known: bool = True
    """False if no parser could name the tables."""
    stuck: int = 0
    """The offset at which sqlglot could not read on, where `known` is false."""
    unclear: frozenset[TableName] = frozenset()
    """Bare names in opaque SQL that are a CTE's as well: which place means which cannot be told."""
    unnamed: tuple[int, ...] = ()
    """Offsets of the outermost SELECT's expressions that have no name."""
    code: str = ""
    """A hash of the tokens: comments, white space, and the case of what is no name do not count."""
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
    tree = _tree(tokens, sql[:end], engine.dialect, depth)
    if tree is not None:
        finder = Finder(sql, engine.dialect == "duckdb")
        found = finder.found(tree)
        if found is not None:
            _refuse_hidden(found.hidden, text, where)
            _refuse_writes(found.writes, where)
            _refuse_files(found.files, text, engine, where)
            uses = tuple(sorted(found.uses, key=lambda use: use.start))
            nameless = unnamed(tree)
            finder.let_go()
            return Inference(
                end, uses, tuple(found.files), unnamed=nameless, code=code(tokens, engine),
                volatile=volatile(tokens, engine) or unknown(found.functions, engine),
            )  # fmt: skip
    names = engine.table_names(sql[:end])
    uses = tuple(token_uses(tokens, sql, names or frozenset()))
    files = tuple(str(name.name) for name in names or () if not name.schema and is_file(name.name))
    ctes = cte_names(tokens)
    unclear = frozenset(use.name for use in uses if not use.name.schema and use.name.name in ctes)
    return Inference(
        end, uses, files, opaque=True, known=names is not None, unclear=unclear, code=code(tokens, engine),
        volatile="it is beyond what sqlflow can parse", stuck=0 if names is not None else _stuck(sql[:end], engine.dialect),
    )  # fmt: skip


def refuse_unread(found: Inference, text: MappedText, where: Place, hint: str = "") -> None:
    """Raise ProjectError, where sqlglot could not read on, if no parser could name the tables of a query."""
    if found.known:
        return
    word = re.compile(r"\w+|\S?").match(text.text, found.stuck)
    shown = f" at or near `{word.group()}`" if word and word.group() else ""
    place = _place(text, found.stuck, where, len(word.group()) if word else 1)
    raise ProjectError(f"syntax error{shown}, or SQL that sqlglot cannot read", place, hint)


def _tokens(text: MappedText, engine: Engine, where: Place) -> list[Any]:
    from sqlglot.errors import TokenError

    try:
        tokens = tokens_of(text.text, engine.dialect)
    except TokenError as error:
        refused = engine.syntax_error(text.text)
        message, position = refused or (str(error).split("\n")[0], None)
        raise ProjectError(message, _place(text, position or 0, where)) from error
    return tokens


def _place(text: MappedText, offset: int, where: Place, length: int = 1) -> Place:
    return text.place(offset, length) or where


def _statement_end(tokens: Sequence[Any], text: MappedText, where: Place) -> int:
    from sqlglot import TokenType

    semicolon = TokenType.SEMICOLON
    statements: list[Any] = []
    fresh = True
    end = 0
    for token in tokens:
        if token.token_type is semicolon:
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
        step = _BRACKETS.get(token.text)
        if step is None:
            continue
        depth += step
        if depth > deepest:
            deepest = depth
            if depth >= NESTING_AT_MOST:
                raise ProjectError(
                    f"nested too deep: at most {NESTING_AT_MOST} brackets", _place(text, token.start, where)
                )
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
    tokens = tokens_of(sql, engine.dialect)
    return any(t.token_type.name == "VAR" and t.start <= offset <= t.end for t in tokens)


def _word_length(sql: str, offset: int) -> int:
    match = re.compile(r"\w+").match(sql, offset)
    return len(match.group()) if match else 1


def _tree(tokens: list[Any], sql: str, dialect: str, depth: int) -> Any:
    """Return sqlglot's tree of the tokens of `sql`, or None where it cannot read them."""
    import logging

    from sqlglot.errors import SqlglotError
    from sqlglot.expressions import Command, Expression

    logging.getLogger("sqlglot").setLevel(logging.ERROR)

    def parsed() -> Any:
        try:
            trees = [tree for tree in dialect_of(dialect).parser().parse(tokens, sql) if tree is not None]
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


def _stuck(sql: str, dialect: str) -> int:
    import sqlglot
    from sqlglot.errors import ParseError, SqlglotError

    try:
        sqlglot.parse(sql, read=dialect)
    except ParseError as error:
        found = error.errors[0] if error.errors else {}
        lines = sql.split("\n")[: max(1, found.get("line") or 1)]
        before = sum(len(line) + 1 for line in lines[:-1])
        return before + max(0, (found.get("col") or 0) - len(found.get("highlight") or ""))
    except (SqlglotError, RecursionError, ValueError):
        return 0
    return 0


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


def _refuse_hidden(offsets: Iterable[int], text: MappedText, where: Place) -> None:
    for offset in offsets:
        raise ProjectError(
            "a table that is named only at run time cannot be found",
            _place(text, offset, where, _word_length(text.text, offset)),
            "write the table's name behind FROM, with Jinja where it varies",
        )


def _refuse_files(paths: Sequence[str], text: MappedText, engine: Engine, where: Place) -> None:
    for path in paths:
        if engine.file_query(path, {}) is None:
            place = _place(text, max(0, text.text.find(path)), where, len(path))
            hint = "declare it below `sources:` with `files`, and read the source"
            raise ProjectError(f"{engine.name} cannot read the file `{path}`", place, hint)


def _refuse_writes(writes: str, where: Place) -> None:
    if writes:
        raise ProjectError(f"a block only reads; this holds `{writes}`", where)
