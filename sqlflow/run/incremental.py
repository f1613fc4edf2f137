"""The new version of an incremental block: the rows that are there and stay, and the new ones.

A version never changes, since other environments may show it and a rollback may show it again. So what stays is copied
into a table beside. That is the price; what it buys is that everything else is as it is for a table.
"""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from sqlflow.core.block import Block
from sqlflow.core.engine import Column, Session
from sqlflow.core.errors import BuildError, Problem, did_you_mean
from sqlflow.core.names import TableName, quoted
from sqlflow.core.text import Place
from sqlflow.plan.versions import helper_name, new_rows


class Change(Struct, frozen=True):
    """What becomes of a table: `delta` holds the new rows; it is the new version itself where there is no `base`."""

    block: Block
    version: TableName
    base: TableName | None
    delta: TableName
    there: tuple[Column, ...]
    """The columns of what is there; those of the new rows are `new`, and of the new version `columns`."""
    new: tuple[Column, ...]
    columns: tuple[Column, ...]
    place: Place
    """That of the key, for what is wrong with its values."""


def change_of(
    block: Block, base: TableName | None, relation: TableName, columns: tuple[Column, ...], place: Place | None,
    session: Session,
) -> Change | None:  # fmt: skip
    """Return how an incremental block gets its version `relation`; None for another block.

    `columns` are those of the new rows. Raise BuildError if they lack the key, or do not go with those of what is there.
    """
    if not block.is_incremental:
        return None
    place = place or block.source.place(block.body)
    refuse_missing("key", block.config.key, columns, "the result", place)
    if base is None:
        return Change(block, relation, None, relation, (), columns, columns, place)
    there = session.columns(f"select * from {base.sql}")
    refuse_missing("key", block.config.key, there, "the table that is there", place)
    delta = relation._replace(name=helper_name(relation, "delta"))
    return Change(block, relation, base, delta, there, columns, columns_with(there, columns, block), place)


def refuse_missing(setting: str, named: Sequence[str], columns: Sequence[Column], what: str, place: Place) -> None:
    """Raise BuildError for a column that a block's setting names and that is not there."""
    names = {column.name.lower() for column in columns}
    missing = [name for name in named if name.lower() not in names]
    if missing:
        message = f"`{setting}` names `{missing[0]}`, which {what} does not have"
        hint = did_you_mean(missing[0], names) or "it has " + ", ".join(f"`{column.name}`" for column in columns)
        raise BuildError(Problem(message, place, hint))


def columns_with(there: tuple[Column, ...], new: tuple[Column, ...], block: Block) -> tuple[Column, ...]:
    """Return the columns that the table gets, which may have none yet; what the block says of changed ones decides.

    Raise BuildError for new rows that do not go with what is there.
    """
    if not there:
        return new
    before, now = ({column.name.lower(): column.type for column in columns} for columns in (there, new))
    _refuse_other_columns(before, now, block)
    return columns_kept(there, new, block)


def columns_kept(there: tuple[Column, ...], new: tuple[Column, ...], block: Block) -> tuple[Column, ...]:
    """Return the columns that a block has when it has gone on, if its new rows go with what is there."""
    before = {column.name.lower() for column in there}
    added = tuple(column for column in new if column.name.lower() not in before)
    return {"fail": there, "ignore": there, "append": (*there, *added), "sync": new}[block.config.on_schema_change]


def _refuse_other_columns(before: Mapping[str, str], now: Mapping[str, str], block: Block) -> None:
    found = [
        f"{name}: {before[name].lower()} → {now[name].lower()}"
        for name in before
        if name in now and before[name] != now[name]
    ]
    anew = "" if block.is_snapshot else f", or build it anew: `sqlflow build {block.name} --full-refresh`"
    hint = f"cast them in the query{anew}"
    others = [f"+ {name}" for name in now if name not in before] + [f"- {name}" for name in before if name not in now]
    if block.config.on_schema_change == "fail" and others:
        found, hint = others + found, f"`on_schema_change` says what to do{anew}"
    if found:
        message = f"the new rows have other columns than the table that is there: {', '.join(found)}"
        raise BuildError(Problem(message, block.source.place(block.body), hint))


def selected(columns: Sequence[Column], own: Sequence[Column]) -> str:
    """Return the `columns` as a list to select from a table that has the columns `own`."""
    names = {column.name.lower(): quoted(column.name) for column in own}
    return ", ".join(
        f"{names.get(column.name.lower(), f'cast(null as {column.type})')} as {quoted(column.name)}"
        for column in columns
    )


def applied(change: Change, create: str, session: Session, rows: int | None) -> int | None:
    """Make the new version, by the statement that begins with `create`, from what is there and the new rows.

    Return how many rows it has, where that is known.

    Raise BuildError for new rows whose key does not tell what they replace.
    """
    _refuse_keys(change, session)
    if change.block.keeps_new_rows:
        kind, new = ("table", selected(change.columns, change.new)) if change.base else ("view", "*")
        session.execute(f"create {kind} {new_rows(change.version).sql} as select {new} from {change.delta.sql}")
    if change.base is None:
        return rows
    order = f" order by {', '.join(change.block.config.order_by)}" if change.block.config.order_by else ""
    found = session.execute(
        f"{create} as select * from (select {selected(change.columns, change.there)} from {change.base.sql} as there{_staying(change)}"
        f" union all select {selected(change.columns, change.new)} from {change.delta.sql}) as every{order}"
    )
    session.execute(f"drop table {change.delta.sql}")
    return found


def _staying(change: Change) -> str:
    """Return the condition for the rows that are not replaced."""
    if not change.block.config.key:
        return ""
    keys = zip(_key(change, change.new), _key(change, change.there), strict=True)
    same = " and ".join(f"added.{new} = there.{old}" for new, old in keys)
    return f" where not exists (select 1 from {change.delta.sql} as added where {same})"


def _key(change: Change, columns: tuple[Column, ...]) -> list[str]:
    """Return the columns of the key as SQL, with the names that they have in a table of the given columns."""
    names = {column.name.lower(): column.name for column in columns}
    return [quoted(names[name.lower()]) for name in change.block.config.key]


def _refuse_keys(change: Change, session: Session) -> None:
    key = _key(change, change.new)
    if not key:
        return
    absent = " or ".join(f"{name} is null" for name in key)
    nulls = int(session.rows(f"select count(*) from {change.delta.sql} where {absent}").rows[0][0])
    if nulls:
        message = f"the `key` ({', '.join(change.block.config.key)}) is NULL in {_rows(nulls)}: it does not tell what they replace"
        raise BuildError(Problem(message, change.place, "leave such rows out, or give them a value"))
    if change.block.config.strategy == "merge":
        _refuse_doubles(change, ", ".join(key), session)


def _refuse_doubles(change: Change, key: str, session: Session) -> None:
    doubled = f"select {key}, count(*) from {change.delta.sql} group by {key} having count(*) > 1"
    found = session.rows(f"{doubled} order by {key} limit 1").rows
    if found:
        values = ", ".join(map(str, found[0][:-1]))
        message = f"{_rows(found[0][-1])} have the `key` ({', '.join(change.block.config.key)}) = ({values}): one row may have it"
        hint = "let the query give one row for each key, or take `strategy: delete_insert`"
        raise BuildError(Problem(message, change.place, hint))


def _rows(number: int) -> str:
    return f"{number} of the new rows"
