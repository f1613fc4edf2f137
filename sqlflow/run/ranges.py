"""Builds blocks of time ranges: a part for each batch of intervals, and a version that is a query over slices of parts.

A part is there as soon as its batch is done, so that a build which is cut off goes on behind it. The version comes last,
with its ledger, in one transaction.
"""

import time
from datetime import datetime

from msgspec.structs import replace

from sqlflow.core import events
from sqlflow.core.block import Block
from sqlflow.core.engine import Column, Session
from sqlflow.core.errors import BuildError, Problem, did_you_mean
from sqlflow.core.names import TableName, quoted
from sqlflow.core.spans import Span, joined
from sqlflow.core.text import MappedText
from sqlflow.plan.current import Slice
from sqlflow.plan.ranges import Group, grouped
from sqlflow.plan.versions import INTERVALS, STATE_SCHEMA, new_rows, version_relation
from sqlflow.run import ledger, state
from sqlflow.run.build import (
    called,
    columns_of,
    current_query,
    finish,
    row_count,
    run_statement,
)  # fmt: skip
from sqlflow.run.columns import check_columns
from sqlflow.run.compose import selectable
from sqlflow.run.incremental import columns_with
from sqlflow.run.key_places import key_place, key_text
from sqlflow.run.recorded import key_holds, known_key, record_recipe
from sqlflow.run.sources import bound
from sqlflow.run.work import Work


def select_ranges(work: Work, block: Block, relation: TableName, session: Session) -> int:
    """Build what is missing of a block and its version `relation`, and return how many rows are new.

    Raise BuildError for what the engine says against it, and for rows that are outside of the time that was asked for.
    """
    ranges, base = work.plan.ranges[block.name], work.plan.bases.get(block.name)
    there = session.columns(f"select * from {base.sql}") if base else ()
    columns, new, rows = there, [], 0
    for span in ranges.batches:
        started = time.perf_counter()
        part = ranges.found.get(span) or version_relation(block.name, f"{work.run} {span}")
        if span not in ranges.found and not state.is_recorded(session, part):
            rows += _part(work, block, span, part, columns, session)
        columns = columns_with(columns, session.columns(f"select * from {part.sql}"), block)
        new.append(Slice(span, part.name))
        if len(ranges.batches) > 1:
            is_found = span in ranges.found
            seconds = time.perf_counter() - started
            work.tell(events.IntervalsBuilt(work.run, str(block.name), str(span), is_found, seconds))
    added = {column.name.lower() for column in columns} - {column.name.lower() for column in there}
    stays = [_without(work, block, one, added, session) for one in ranges.stays] if added else ranges.stays
    slices = [one for one in (*stays, *new) if not one.span.is_empty] or new
    groups = [_put_together(work, block, group, columns, session) for group in grouped(slices, block.config)]
    with session.transaction():
        create = work.binder.project.target.engine.create(relation, "view", {})
        session.execute(f"{create} as {_query(block, groups, columns, session)}")
        if block.keeps_new_rows:
            session.execute(f"create view {new_rows(relation).sql} as {_new_rows_query(block, relation, new, columns)}")
        ledger.record(session, relation, groups, new)
        _record(work, block, relation, groups, columns, session)
    return rows


def _part(
    work: Work, block: Block, span: Span, part: TableName, there: tuple[Column, ...], session: Session
) -> int:  # fmt: skip
    """Make the part that holds the rows of a span, to go with the columns that are `there`, and return how many there are."""
    if block.function is not None:
        return _called_part(work, block, span, part, there, session)
    engine = work.binder.project.target.engine
    query = current_query(work, block, session, span=span)
    body = bound(work, query, block.name.schema, block.source.place(block.body), session)
    columns = columns_of(session, selectable(body), work, block)
    check_columns(columns, block, query, engine)
    when = time_column(block, columns)
    columns_with(there, columns, block)
    create = MappedText.plain(f"{engine.create(part, 'table', block.config.options)} as\n")
    with session.transaction():
        rows = run_statement(session, create + _ordered(selectable(body), block), work, block)
        _finish_part(work, block, span, part, when, session)
    return row_count(part, session) if rows is None else rows


def _called_part(
    work: Work, block: Block, span: Span, part: TableName, there: tuple[Column, ...], session: Session
) -> int:  # fmt: skip
    """Make the part that holds what a function gives for a span."""
    with called(work, block, session, span) as batches, session.transaction():
        session.load(part, batches, block.config.options)
        columns = session.columns(f"select * from {part.sql}")
        check_columns(columns, block, None, work.binder.project.target.engine)
        columns_with(there, columns, block)
        _finish_part(work, block, span, part, time_column(block, columns), session)
        return row_count(part, session)


def _finish_part(work: Work, block: Block, span: Span, part: TableName, when: Column, session: Session) -> None:
    _refuse_outside(block, span, part, when, session)
    finish(work, block, part, session)
    key = work.plan.keys[block.name]
    text = work.plan.ranges[block.name].keys[span] if key_holds(work, block.name, session) else ""
    ledger.record_part(session, part, block.name, replace(key, text=text), work.run)


def _ordered(body: MappedText, block: Block) -> MappedText:
    if not block.config.order_by:
        return body
    order = key_text(block, "order_by", ", ".join(block.config.order_by))
    return "select * from (\n" + body + "\n) as ordered order by " + order


def time_column(block: Block, columns: tuple[Column, ...]) -> Column:
    """Return the column that tells when a row belongs to. Raise BuildError if it is not there, or no time."""
    name, place = block.config.time_column or "", key_place(block, "time_column")
    found = next((column for column in columns if column.name.lower() == name.lower()), None)
    if found is None:
        hint = did_you_mean(name, [one.name for one in columns])
        hint = hint or "it has " + ", ".join(f"`{one.name}`" for one in columns)
        raise BuildError(Problem(f"`time_column` names `{name}`, which the result does not have", place, hint))
    kind = found.type.lower()
    if kind == "date" and block.config.interval == "hour":
        message = f"`{name}` is a date: it does not tell in which hour a row lies"
        raise BuildError(Problem(message, place, "take `interval: day`, or a column with a time"))
    if kind != "date" and not kind.startswith("timestamp"):
        message = f"`time_column` names `{name}`, which is {kind}: it must be a date or a timestamp"
        raise BuildError(Problem(message, place, "cast it in the query"))
    return found


def is_within(when: Column, span: Span) -> str:
    """Return the condition for the rows of a span."""
    start, end = (_moment(moment, when.type.lower()) for moment in (span.start, span.end))
    return f"{quoted(when.name)} >= {start} and {quoted(when.name)} < {end}"


def _moment(moment: datetime, kind: str) -> str:
    """Return a moment as a value that is the same in every session, whatever its time zone."""
    zone = "+00" if "with time zone" in kind else ""
    return f"cast('{moment.date() if kind == 'date' else f'{moment}{zone}'}' as {kind})"


def _refuse_outside(block: Block, span: Span, part: TableName, when: Column, session: Session) -> None:
    name, place = quoted(when.name), key_place(block, "time_column")
    outside = f"from {part.sql} where ({is_within(when, span)}) is not true"
    count, empty, example = session.rows(
        f"select count(*), count(*) - count({name}), cast(min({name}) as varchar) {outside}"
    ).rows[0]
    if empty:
        message = f"`{block.config.time_column}` is NULL in {_rows(empty)}: it does not tell in which interval they lie"
        raise BuildError(Problem(message, place, "leave such rows out, or give them a value"))
    if count:
        message = f"{_rows(count)} lie outside of {span}, for which they were asked: `{block.config.time_column}` is {example}"
        hint = "let the query give the rows from `'{{ start }}'` up to `'{{ end }}'`, without that"
        raise BuildError(Problem(message, place, hint))


def _rows(number: int) -> str:
    return f"{number} of the new rows"


def _put_together(work: Work, block: Block, group: Group, columns: tuple[Column, ...], session: Session) -> Slice:
    """Return a slice that holds what a group of slices does: one that is copied from them, if they are more than one."""
    if len(group.slices) == 1:
        return group.slices[0]
    return _copied(work, block, group.span, "together", _query(block, group.slices, columns, session), session)


def _without(work: Work, block: Block, one: Slice, added: set[str], session: Session) -> Slice:
    """Return a slice that stays as it is shown: one that is copied, if its part has a column that is added now.

    It was left out, or had gone: what the part holds in it may be of another type.
    """
    own = session.columns(f"select * from {TableName(STATE_SCHEMA, one.part).sql}")
    kept = tuple(column for column in own if column.name.lower() not in added)
    if kept == own:
        return one
    return _copied(work, block, one.span, f"{one.part} without", _slice_query(block, one, kept, session), session)


def _copied(work: Work, block: Block, span: Span, how: str, query: str, session: Session) -> Slice:
    """Return a slice whose rows a query over parts gives."""
    part = version_relation(block.name, f"{work.run} {span} {how}")
    if state.is_recorded(session, part):
        return Slice(span, part.name)
    create = work.binder.project.target.engine.create(part, "table", block.config.options)
    with session.transaction():
        run_statement(
            session, MappedText.plain(f"{create} as\n") + _ordered(MappedText.plain(query), block), work, block
        )
        finish(work, block, part, session)
        ledger.record_part(session, part, block.name, replace(work.plan.keys[block.name], text=""), work.run)
    return Slice(span, part.name)


def _query(
    block: Block, slices: "list[Slice] | tuple[Slice, ...]", columns: tuple[Column, ...], session: Session
) -> str:
    """Return the query over slices that gives the rows of a version, with the columns that it has."""
    return "\nunion all ".join(_slice_query(block, one, columns, session) for one in slices)


def _slice_query(block: Block, one: Slice, columns: tuple[Column, ...], session: Session) -> str:
    part = TableName(STATE_SCHEMA, one.part)
    own = session.columns(f"select * from {part.sql}")
    names = {column.name.lower(): quoted(column.name) for column in own}
    listed = ", ".join(
        f"{names.get(column.name.lower(), f'cast(null as {column.type})')} as {quoted(column.name)}"
        for column in columns
    )
    return f"select {listed} from {part.sql} where {is_within(time_column(block, own), one.span)}"


def _new_rows_query(block: Block, relation: TableName, new: list[Slice], columns: tuple[Column, ...]) -> str:
    """Return the query that gives those rows of a version that its build has made."""
    when = time_column(block, columns)
    spans = " or ".join(f"({is_within(when, span)})" for span in joined(one.span for one in new))
    return f"select * from {relation.sql} where {spans or 'false'}"


def _record(
    work: Work, block: Block, relation: TableName, slices: list[Slice], columns: tuple[Column, ...], session: Session
) -> None:  # fmt: skip
    """Record the version, and how it was made."""
    key = work.plan.keys[block.name]
    inputs = {**dict(work.plan.ranges[block.name].reads), INTERVALS: dict(key.inputs)[INTERVALS]}
    key = known_key(work, block.name, replace(key, inputs=tuple(sorted(inputs.items()))), session)
    parts = tuple(sorted({one.part for one in slices}))
    parts += state.names_of([new_rows(relation)]) if block.keeps_new_rows else ()
    state.record_versions(session, [state.Version(relation, str(block.name), "view", key, work.run, parts)])
    if block.name not in work.doubtful:
        record_recipe(work, block.name, relation, columns, session)
