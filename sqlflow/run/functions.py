"""Calls the functions of blocks and assertions: their inputs out of the target, their rows back."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from sqlflow.core import events
from sqlflow.core.block import Assertion, Block, Function, Query, TableUse
from sqlflow.core.engine import Session
from sqlflow.core.errors import BuildError, ProjectError, StatementError
from sqlflow.core.names import TableName, quoted
from sqlflow.core.runtime import LEVELS, Ask, Call, Inputs, Say, Surroundings, Verdict, Worker
from sqlflow.core.secrets import masked
from sqlflow.core.spans import Span
from sqlflow.core.streams import before_end, told
from sqlflow.core.text import MappedText, Place
from sqlflow.read.sql import infer
from sqlflow.run.sources import bound
from sqlflow.run.work import Work

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa


@contextmanager
def result(
    work: Work, block: Block, worker: Worker, session: Session, span: Span | None = None
) -> "Iterator[pa.RecordBatchReader]":
    """Call a block's function, for a span of time or for all, and yield its rows.

    Raise BuildError, also at the end of the `with`, for what goes wrong.
    """
    function = block.function
    assert function is not None
    ask = _questions(work, block, function)
    with work.workers.scratch() as scratch:
        call = _call(work, block, function, scratch, span)
        inputs = _inputs(work, block, function, session)
        with worker.run(call, inputs, ask, _say(work, block)) as given:
            batches = before_end(given, partial(_doubt, work, block, function, worker))
            yield batches if span is None else _without_levels(batches)


def _without_levels(batches: "pa.RecordBatchReader") -> "pa.RecordBatchReader":
    """Return the rows of a part as other parts have theirs: levels that differ from part to part would be types that differ."""
    import pyarrow as pa

    fields = [field.remove_metadata() if LEVELS in (field.metadata or {}) else field for field in batches.schema]
    return batches.from_batches(pa.schema(fields), batches)


def verdict(work: Work, assertion: Assertion, function: Function, worker: Worker, session: Session) -> Verdict:
    """Call an assertion's function on the rows of its block and return what it says."""
    assert assertion.block is not None
    block = work.binder.project.blocks[assertion.block]
    ask = _questions(work, block, function)
    with work.workers.scratch() as scratch:
        call = _call(work, block, function, scratch)
        found = worker.check(call, _inputs(work, block, function, session), ask, _say(work, block))
    if _reaches(work, block, function, worker):
        work.reaching.add(assertion.key)
    return found


def _doubt(work: Work, block: Block, function: Function, worker: Worker) -> None:
    if _reaches(work, block, function, worker):
        work.doubtful.add(block.name)


def _reaches(work: Work, block: Block, function: Function, worker: Worker) -> bool:
    """Tell whether a function has reached outside of its inputs, though nothing in its text says so, and say it where it has.

    What a block keeps that goes on is not asked for again anyway, and with `refresh` it is said how often to build.
    """
    if not worker.reached or function.volatile or block.is_continued or block.config.refresh != "always":
        return False
    what = f"`{function.declared.name}` {worker.reached}, which is no input of it"
    _say(work, block)(f"{what}: it runs again each time, unless `refresh` says how often")
    return True


def _say(work: Work, block: Block) -> Say:
    def say(line: str) -> None:
        work.tell(events.BlockPrinted(work.run, str(block.name), masked(line)))

    return say


def _call(work: Work, block: Block, function: Function, scratch: "Path", span: Span | None = None) -> Call:
    project = work.binder.project
    around = Surroundings(
        str(block.name),
        project.target.name,
        work.run,
        seed_of(work, block),
        {**project.vars, **block.vars},
        dict(function.reads.env),
        span.start if span else None,
        span.end if span else None,
        span is not None,
    )
    return Call(
        function.declared,
        block.source,
        project.root.resolve(),
        scratch,
        function.values,
        around,
        block.config.memory_limit or project.config.memory_limit,
    )


def seed_of(work: Work, block: Block) -> int:
    """Return a whole number of 32 bits that is the same for the same version of a block."""
    key = work.plan.keys.get(block.name)
    text = f"{block.name} {(key.text or key.code) if key else ''}"
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest(), "big")


def _inputs(work: Work, block: Block, function: Function, session: Session) -> Inputs:
    """Yield the rows of each table that a parameter takes."""
    for name, table in function.arguments:
        place = next((_place(function, use) for use in function.tables if use.name == table), None)
        text = _selected(work, block, table, session, place)
        unread = partial(_unread, table, place)
        try:
            batches = session.batches(text)
        except StatementError as error:
            raise unread(error) from error
        yield name, told(batches, (StatementError,), unread)


def _unread(table: TableName, place: Place | None, error: Exception) -> BuildError:
    assert isinstance(error, StatementError)
    return BuildError(f"the input `{table}` cannot be read: {error.message}", place, error.hint)


def _place(function: Function, use: TableUse) -> Place | None:
    return function.text.place(use.start, use.end - use.start)


def _selected(work: Work, block: Block, table: TableName, session: Session, place: Place | None) -> str:
    """Return the query that gives the rows of a table as Arrow can hold them exactly."""
    engine = work.binder.project.target.engine
    source = f"from {table.sql} as t"
    query = Query(MappedText.plain(f"select * {source}"), (TableUse(table, 14, 14 + len(table.sql), aliased=True),))
    text = bound(work, query, block.name.schema, place or block.source.place(block.body), session).text
    try:
        columns = session.columns(text)
    except StatementError as error:
        raise _unread(table, place, error) from error
    expressions = []
    for column in columns:
        expression = engine.as_arrow(column)
        if expression is None:
            message = f"`{table}`: the column `{column.name}` is {column.type}, which no frame holds as it is"
            raise BuildError(message, place, "read a SQL block that casts it or leaves it out")
        own = quoted(column.name)
        expressions.append(own if expression == own else f"{expression} as {own}")
    if all(expression == quoted(column.name) for expression, column in zip(expressions, columns, strict=True)):
        return text
    return f"select {', '.join(expressions)} from (\n{text}\n) as input"


def _questions(work: Work, block: Block, function: Function) -> Ask:
    """Return what answers `context.sql()`: in sessions of its own, since the block's may be at work."""
    resolver, schema = work.binder.resolver, block.name.schema
    known = {resolver.link(name, schema).name for name in function.inputs}

    @contextmanager
    def ask(sql: str) -> "Iterator[pa.RecordBatchReader]":
        text = MappedText.plain(sql)
        try:
            found = infer(text, work.binder.project.target.engine, block.source.place(block.body))
        except ProjectError as error:
            raise BuildError(error.problems) from error
        for use in found.tables:
            if not use.qualifier and resolver.link(use.name, schema).name not in known:
                message = f"`{use.name}` was not known to be an input before the function ran"
                raise BuildError(message, hint=f"declare it: add `{use.name}` to `depends_on`, or make it a parameter")
        query = Query(text.slice(0, found.end), found.tables)
        session = work.open_session()
        try:
            yield session.batches(bound(work, query, schema, block.source.place(block.body), session).text)
        except StatementError as error:
            raise BuildError(error.message) from error
        finally:
            session.close()

    return ask
