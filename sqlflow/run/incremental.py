"""The new version of an incremental block: the rows that are there and stay, and the new ones.

A version never changes, since other environments may show it and a rollback may show it again. So what stays is copied
into a table beside. That is the price; what it buys is that everything else is as it is for a table.
"""

from dataclasses import dataclass

from sqlflow.core.block import Block
from sqlflow.core.engine import Column, Session
from sqlflow.core.errors import BuildError, Problem, did_you_mean
from sqlflow.core.names import TableName, quoted
from sqlflow.core.text import Place
from sqlflow.plan.versions import STATE_SCHEMA, helper_name


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of a table: `delta` holds the new rows; it is the new version itself where there is no `base`."""

    block: Block
    base: TableName | None
    delta: TableName
    relation: TableName
    columns: tuple[Column, ...]
    """Those of the new version, in order."""
    place: Place
    """That of the key, for what is wrong with its values."""


def change_of(
    block: Block, base: TableName | None, relation: TableName, columns: tuple[Column, ...], place: Place | None,
    session: Session,
) -> Change | None:  # fmt: skip
    """Return how an incremental block gets its version `relation`; None for another block.

    `columns` are those of the new rows. Raise BuildError if they lack the key, or are not those of what is there.
    """
    if not block.is_incremental:
        return None
    place = place or block.source.place(block.body)
    names = {column.name.lower() for column in columns}
    missing = [name for name in block.config.key if name.lower() not in names]
    if missing:
        message = f"`key` names `{missing[0]}`, which the result does not have"
        hint = did_you_mean(missing[0], names) or "it has " + ", ".join(f"`{column.name}`" for column in columns)
        raise BuildError(Problem(message, place, hint))
    if base is None:
        return Change(block, None, relation, relation, columns, place)
    there = session.columns(f"select * from {base.sql}")
    _refuse_other_columns(there, columns, block)
    return Change(block, base, TableName(STATE_SCHEMA, helper_name(relation, "delta")), relation, there, place)


def _refuse_other_columns(there: tuple[Column, ...], new: tuple[Column, ...], block: Block) -> None:
    before, now = ({column.name.lower(): column.type for column in columns} for columns in (there, new))
    found = [f"+ {name}" for name in now if name not in before] + [f"- {name}" for name in before if name not in now]
    found += [
        f"{name}: {before[name].lower()} → {now[name].lower()}"
        for name in before
        if name in now and before[name] != now[name]
    ]
    if found:
        message = f"the new rows have other columns than the table that is there: {', '.join(found)}"
        hint = f"`sqlflow build {block.name} --full-refresh` builds it anew"
        raise BuildError(Problem(message, block.source.place(block.body), hint))


def applied(change: Change, create: str, session: Session, rows: int | None) -> int | None:
    """Make the new version, by the statement that begins with `create`, from what is there and the new rows.

    Return how many rows it has, where that is known.

    Raise BuildError for new rows whose key does not tell what they replace.
    """
    _refuse_keys(change, session)
    if change.base is None:
        return rows
    order = f" order by {', '.join(change.block.config.order_by)}" if change.block.config.order_by else ""
    names = ", ".join(quoted(column.name) for column in change.columns)
    found = session.execute(
        f"{create} as select * from (select {names} from {change.base.sql} as there{_staying(change)}"
        f" union all select {names} from {change.delta.sql}) as every{order}"
    )
    session.execute(f"drop table {change.delta.sql}")
    return found


def _staying(change: Change) -> str:
    """Return the condition for the rows that are not replaced."""
    if not change.block.config.key:
        return ""
    same = " and ".join(f"added.{quoted(name)} = there.{quoted(name)}" for name in _key(change))
    return f" where not exists (select 1 from {change.delta.sql} as added where {same})"


def _key(change: Change) -> list[str]:
    """Return the columns of the key as the engine calls them."""
    names = {column.name.lower(): column.name for column in change.columns}
    return [names[name.lower()] for name in change.block.config.key]


def _refuse_keys(change: Change, session: Session) -> None:
    key = [quoted(name) for name in _key(change)]
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
