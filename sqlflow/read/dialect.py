"""SQL of one dialect as SQL of another: what does not carry over is an error, never another result in silence."""

from collections.abc import Iterator
from typing import Any

from sqlflow.core.engine import Engine
from sqlflow.core.errors import ProjectError
from sqlflow.core.text import MappedText, Piece, Place
from sqlflow.read.engines import engine, engine_names


def translated(text: MappedText, dialect: str, target: Engine, where: Place) -> MappedText:
    """Return a query or a condition of `dialect` in the engine's own; the text itself where that is the same.

    Each word of the result that is one of the text has its place. Raise ProjectError for what does not carry over.
    """
    if not dialect or dialect == target.dialect:
        return text
    from sqlglot import ErrorLevel, parse
    from sqlglot.errors import ParseError, SqlglotError, UnsupportedError

    try:
        trees = [tree for tree in parse(text.text, read=dialect) if tree is not None]
        if len(trees) != 1:
            return text  # what is wrong with it is told by whoever looks for its tables
        sql = target.adapted(trees[0]).sql(target.dialect, unsupported_level=ErrorLevel.RAISE, comments=False)
    except ParseError as error:
        _refuse(text, dialect, error, where)
    except UnsupportedError as error:
        message = "; ".join(str(error).split("\n"))
        hint = f"write it so that both have it, or give the block a `dialect: {target.dialect}` of its own"
        raise ProjectError(f"{dialect} to {target.dialect}: {message}", text.place(0) or where, hint) from error
    except (SqlglotError, ValueError, AttributeError, RecursionError) as error:
        raise ProjectError(
            f"this cannot be read as {dialect}: {error}", text.place(0) or where, "write it in the engine's dialect"
        ) from error
    return _placed(sql, text, dialect, target.dialect)


def _refuse(text: MappedText, dialect: str, error: Any, where: Place) -> None:
    """Raise ProjectError in the words of the engine whose dialect it is, if that is installed, else at sqlglot's place."""
    for name in engine_names():
        told = engine(name).syntax_error(text.text) if engine(name).dialect == dialect else None
        if told:
            raise ProjectError(told[0], text.place(told[1] or 0) or where) from error
    found = error.errors[0] if error.errors else {}
    lines = text.text.split("\n")[: max(1, found.get("line") or 1)]
    end = sum(len(line) + 1 for line in lines[:-1]) + (found.get("col") or 0)
    word = found.get("highlight") or ""
    message = f"syntax error at or near `{word}`, or {dialect} that sqlglot cannot read"
    raise ProjectError(message, text.place(max(0, end - len(word)), len(word) or 1) or where) from error


def _placed(sql: str, text: MappedText, dialect: str, target: str) -> MappedText:
    """Return `sql` with the places of the text's words: the words that both have, in the same order, belong together."""
    from difflib import SequenceMatcher

    from sqlglot.dialects import Dialect

    before = Dialect.get_or_raise(dialect).tokenize(text.text)
    after = Dialect.get_or_raise(target).tokenize(sql)
    same = SequenceMatcher(None, _words(before), _words(after), autojunk=False).get_matching_blocks()
    pairs = ((before[block.a + step], after[block.b + step]) for block in same for step in range(block.size))
    return MappedText(tuple(_pieces(sql, text, pairs)))


def _words(tokens: Any) -> list[str]:
    return [token.text.lower() for token in tokens]


def _pieces(sql: str, text: MappedText, pairs: Any) -> Iterator[Piece]:
    """Yield `sql` in pieces: words with their places, and between them what stands for the word before."""
    position, origin = 0, text.origin(0)
    for old, new in pairs:
        yield Piece(sql[position : new.start], origin.source, origin.offset, moves=False)
        origin = text.origin(old.start)
        word = sql[new.start : new.end + 1]
        is_same = text.text[old.start : old.end + 1] == word
        yield Piece(word, origin.source, origin.offset, moves=is_same and origin.moves)
        position = new.end + 1
    yield Piece(sql[position:], origin.source, origin.offset, moves=False)
