"""Builds one block's version aside."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from threading import Timer
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from sqlflow.core.block import Block, Query
from sqlflow.core.engine import Column, Rows, Session
from sqlflow.core.errors import BuildError, Problem, StatementError, did_you_mean
from sqlflow.core.names import TableName
from sqlflow.core.spans import Span
from sqlflow.core.text import MappedText, Place
from sqlflow.plan.ranges import whole_of
from sqlflow.plan.versions import helper_name, new_rows
from sqlflow.read.blocks import rendered_again
from sqlflow.read.dialect import translated
from sqlflow.read.sql import infer
from sqlflow.run import functions, seeds, snapshots
from sqlflow.run.columns import check_columns
from sqlflow.run.compose import selectable
from sqlflow.run.continued import applied, change_of
from sqlflow.run.key_places import key_text
from sqlflow.run.recorded import record_of
from sqlflow.run.snapshots import History
from sqlflow.run.sources import bound
from sqlflow.run.statements import in_environment
from sqlflow.run.work import Work

if TYPE_CHECKING:
    import pyarrow as pa

Select = Callable[[Work, Block, TableName, Session], int | None]
"""Makes the relation of a block's version, and returns how many rows it has, or has got."""


class Built(Struct, frozen=True):
    relation: TableName
    rows: int | None


def build(work: Work, block: Block, session: Session, select: Select | None = None) -> Built:
    """Build the new version of a block and return it; `select` is how a query's rows become it, where not as a whole.

    Raise BuildError, at the place in the user's file, for whatever the engine or the data say against it.
    """
    relation = work.binder.relations[block.name]
    if block.function is not None:
        return Built(relation, (select or _call)(work, block, relation, session))
    with time_limit(session.interrupt, *_limit(work, block)):
        _run_all(block.pre_statements, work, block, session)
        made = _seed if block.query is None else select or _select
        rows = made(work, block, relation, session)
        _run_all(block.post_statements, work, block, session)
    return Built(relation, rows)


def _run_all(statements: tuple[Query, ...], work: Work, block: Block, session: Session) -> None:
    for statement in statements:
        text = work.binder.bound(statement, block.name.schema)
        run_statement(session, in_environment(text, work.plan), work, block)


def found_or_built(work: Work, block: Block, session: Session, select: Select | None = None) -> Built:
    """Build what an earlier try may have built: its COMMIT can have happened though the answer was lost."""
    relation = work.binder.relations[block.name]
    if not block.post_statements and work.records.has_happened(relation, session):
        return Built(relation, None)
    return build(work, block, session, select)


def _limit(work: Work, block: Block) -> tuple[float | None, str, Place]:
    seconds = block.config.timeout or work.binder.project.config.timeout
    return seconds, f"building `{block.name}`", block.source.place(block.body)


def _call(work: Work, block: Block, relation: TableName, session: Session) -> int:
    """Build a block by its function."""
    with called(work, block, session) as batches:
        return _load(work, block, relation, batches, session)


@contextmanager
def called(work: Work, block: Block, session: Session, span: Span | None = None) -> "Iterator[pa.RecordBatchReader]":
    """Call a block's function, in a process that is killed if it takes too long, and yield its rows."""
    assert block.function is not None
    with work.workers.borrowed(block.function.runtime) as worker:

        def stop() -> None:
            worker.interrupt()
            session.interrupt()

        seconds, what, place = _limit(work, block)
        with (
            time_limit(stop, seconds, what, place, "its process was killed"),
            functions.result(work, block, worker, session, span) as batches,
            _in_words(block),
        ):
            yield batches


@contextmanager
def _in_words(block: Block) -> Iterator[None]:
    """Tell what the engine says against the rows of a function at the function's place."""
    try:
        yield
    except StatementError as error:
        message = f"the rows of `{block.name}` cannot be stored: {error.message}"
        raise BuildError(message, block.source.place(block.body)) from error


def _load(
    work: Work, block: Block, relation: TableName, batches: "pa.RecordBatchReader", session: Session
) -> int:  # fmt: skip
    """Make the version from rows that come as batches, and check its columns before it is there."""
    with work.records.transaction(session) as record:
        session.load(relation, batches, block.config.options)
        columns = session.columns(f"select * from {relation.sql}")
        check_columns(columns, block, None, work.binder.project.target.engine)
        finish(work, block, relation, session)
        record(record_of(work, block, relation, "table", (), columns, session))
        return row_count(relation, session)


def current_query(
    work: Work, block: Block, session: Session, continues: bool = False, span: Span | None = None
) -> Query:
    """Return a block's query, rendered again with the rows of `query()` if it asks for them.

    With `continues` it is that for the new rows of an incremental block. That of a block of time ranges is for `span`; for
    all of its time without one.
    """
    assert block.query is not None
    if block.is_ranged:
        span = span or whole_of(block.config, datetime.now(UTC))
    elif not block.query.dynamic:
        return (block.continuing if continues else None) or block.query
    engine = work.binder.project.target.engine

    def run_query(text: str) -> Rows:
        where = block.source.place(block.body)
        asked = translated(MappedText.plain(text), block.config.dialect or work.renderer.dialect, engine, where)
        found = infer(asked, engine, where)
        query = Query(asked.slice(0, found.end), found.tables)
        return session.rows(bound(work, query, block.name.schema, where, session).text)

    renderer = work.renderer.with_vars(block.vars)
    return rendered_again(block, renderer, engine, run_query, continues or block.is_ranged, span)


def _select(work: Work, block: Block, relation: TableName, session: Session) -> int | None:
    base = work.plan.bases.get(block.name)
    base = snapshots.history_in(base, session) if block.is_snapshot else base
    work = work if base is None else replace(work, binder=work.binder.reading(block.name, base))
    query = current_query(work, block, session, base is not None)
    body = bound(work, query, block.name.schema, block.source.place(block.body), session)
    foreseen = _foreseen(work, block, query)
    columns = foreseen or columns_of(session, selectable(body), work, block)
    change = change_of(block, base, relation, columns, snapshots.moment_of(work.run), session)
    own = change.own if isinstance(change, History) else ()
    check_columns((*columns, *own), block, query, work.binder.project.target.engine)
    kind = "table" if change else block.config.materialize.replace("_", " ")
    if block.config.order_by and base is None and not block.is_snapshot:
        order = key_text(block, "order_by", ", ".join(block.config.order_by))
        body = "select * from (\n" + body + "\n) as ordered order by " + order
    create = work.binder.project.target.engine.create(relation, kind, block.config.options)
    is_aside = change is not None and change.delta != relation
    statement = (f"create table {change.delta.sql}" if change and is_aside else create) + " as\n" + selectable(body)
    try:
        with work.records.transaction(session, at_once=block.keeps_new_rows) as record:
            rows = run_statement(session, statement, work, block)
            if change is not None:
                rows = applied(change, create, session, rows)
                columns = session.columns(f"select * from {relation.sql}")
            elif foreseen and session.columns(f"select * from {relation.sql}") != foreseen:
                columns = columns_of(session, selectable(body), work, block)
                check_columns(columns, block, query, work.binder.project.target.engine)
            finish(work, block, relation, session)
            made_from = work.binder.inputs(query, block.name.schema) if kind != "table" else ()
            made_from += (new_rows(relation),) if block.keeps_new_rows else ()
            record(record_of(work, block, relation, kind, made_from, columns, session))
    except StatementError as error:  # the COMMIT: it is what tells of rows that break a unique index
        raise told(error, statement, work, block, key_text(block, "indexes", " ").place(0)) from error
    if kind == "view":
        return None
    return row_count(relation, session) if rows is None else rows


def row_count(relation: TableName, session: Session) -> int:
    return int(session.rows(f"select count(*) from {relation.sql}").rows[0][0])


def columns_of(session: Session, body: MappedText, work: Work, block: Block) -> tuple[Column, ...]:
    try:
        return session.columns(body.text)
    except StatementError as error:
        raise told(error, body, work, block) from error


def _foreseen(work: Work, block: Block, query: Query) -> tuple[Column, ...] | None:
    """Return the columns that a table is expected to have, if there is nothing wrong with them; None if they are to be asked
    for before it is made.

    Asking the engine for the columns of a query takes as long as a tenth of making a small table; those of the table that
    was made cost nothing, and tell whether the expectation was right: two columns of one name and one without a type
    are not there as they were in the query.
    """
    foreseen = work.plan.foreseen.get(block.name) if block.config.materialize == "table" else None
    if foreseen is None or not _reads_as_foreseen(work, block.name):
        return None
    try:
        check_columns(foreseen, block, query, work.binder.project.target.engine)
    except BuildError:
        return None
    return foreseen


def _reads_as_foreseen(work: Work, name: TableName) -> bool:
    """Tell whether all that a block reads of what was built in this run has the columns that it was expected to have."""
    plan = work.plan
    return all(
        _reads_as_foreseen(work, read) if read in plan.inlined else read in work.as_foreseen or read in plan.reused
        for read in plan.graph.inputs[name] & plan.nodes
    )


def _seed(work: Work, block: Block, relation: TableName, session: Session) -> int:
    with seeds.batches(block, work.binder.project.root) as batches:
        return _load(work, block, relation, batches, session)


def finish(work: Work, block: Block, relation: TableName, session: Session) -> None:
    """Give a table that has just been made its form and its indexes, and let the engine's planner know it."""
    if block.config.materialize == "view":
        return
    engine, options = work.binder.project.target.engine, block.config.options
    try:
        for statement in engine.arranged(relation, options, session.rows):
            session.execute(statement)
        _index(work, block, relation, session)
        for statement in engine.analyzed(relation, options):
            session.execute(statement)
    except StatementError as error:
        key = key_text(block, "options", " ")
        raise told(error, key, work, block, key.place(0)) from error


def _index(work: Work, block: Block, relation: TableName, session: Session) -> None:
    engine = work.binder.project.target.engine
    for index in block.config.indexes:
        name = helper_name(relation, " ".join(filter(None, [*index.columns, *index.expressions, index.where])))
        statement = key_text(block, "indexes", engine.index(relation, name, index))
        run_statement(session, statement, work, block)


def run_statement(session: Session, statement: MappedText, work: Work, block: Block) -> int | None:
    """Run a statement of a block; the engine's error is told at the place that it has in the user's file."""
    try:
        return session.execute(statement.text)
    except StatementError as error:
        raise told(error, statement, work, block, statement.place(0)) from error


def told(
    error: StatementError, statement: MappedText, work: Work, block: Block | None, where: Place | None = None
) -> BuildError:
    """Return the engine's error in the user's words and at the user's place."""
    place = where or (block.source.place(block.body) if block else None)
    if error.position is not None:
        word = re.compile(r"\w+(\.\w+)*").match(statement.text, error.position)
        place = statement.place(error.position, len(word.group()) if word else 1) or place
    message, hint = _in_our_names(error.message, work), ""
    if error.missing_table:
        hint = _missing_table_hint(error.missing_table, work)
    return BuildError(Problem(message, place, hint))


def _missing_table_hint(name: str, work: Work) -> str:
    project = work.binder.project
    for source, relation in work.binder.relations.items():
        if relation.name in name and source in project.sources:
            return f"its files are not in the target yet: build a block that reads `{source}`"
    if any(name in (str(source), source.name) for source in project.sources):
        return "it is declared as a source: it must be in the target before blocks can read it"
    disabled = work.binder.resolver.disabled_hint(TableName.parse(name))
    if disabled:
        return disabled
    known = [*project.blocks, *project.sources]
    hint = did_you_mean(name, map(str, known)) or did_you_mean(name, (n.name for n in known))
    return hint or "no block builds it, and the target has no such table"


def _in_our_names(message: str, work: Work) -> str:
    """Return the message with published names in place of those of versions."""
    for name, relation in work.binder.relations.items():
        message = message.replace(relation.name, str(name))
    return message.replace("_sqlflow.", "")


@contextmanager
def time_limit(
    interrupt: Callable[[], None], seconds: float | None, what: str, place: Place, then: str = ""
) -> Iterator[None]:
    """Interrupt after `seconds`, and raise BuildError, saying what took too long, if that has happened."""
    if seconds is None:
        yield
        return
    fired: list[bool] = []

    def stop() -> None:
        fired.append(True)
        interrupt()

    timer = Timer(seconds, stop)
    timer.daemon = True
    timer.start()
    try:
        yield
    except (BuildError, StatementError) as error:
        if fired:
            message = f"timeout: {what} took longer than {seconds:g} s" + (f": {then}" if then else "")
            raise BuildError(message, place) from error
        raise
    finally:
        timer.cancel()
