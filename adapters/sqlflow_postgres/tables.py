"""Tables as a block's `options` ask for them: unlogged, filled in part, partitioned, known to the planner."""

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from sqlflow.core.engine import Rows
from sqlflow.core.errors import StatementError
from sqlflow.core.names import TableName, literal, quoted

Ask = Callable[[str], Rows]
PARTITIONS_AT_MOST = 1000
_TIMES = ("date", "timestamp without time zone", "timestamp with time zone")
IS_LOST = (
    "relpersistence = 'u' and pg_relation_size(pg_class.oid) = 0 or relkind = 'p' and exists"
    " (select 1 from pg_inherits join pg_class part on part.oid = inhrelid where inhparent = pg_class.oid"
    " having bool_or(part.relpersistence = 'u') and coalesce(sum(pg_relation_size(part.oid)), 0) = 0)"
)
"""The condition on `pg_class` that is true for an unlogged table without rows: it may have had some before a crash."""


def create(relation: TableName, kind: str, options: Mapping[str, Any]) -> str:
    """Return the beginning of a `create … as`."""
    return f"create {_unlogged(options)}{kind} {relation.sql}{_filled(options)}"


def created(relation: TableName, columns: str, options: Mapping[str, Any]) -> str:
    """Return the statement that makes an empty table of the listed columns."""
    return f"create {_unlogged(options)}table {relation.sql} ({columns}){_filled(options)}"


def _unlogged(options: Mapping[str, Any]) -> str:
    return "unlogged " if options.get("unlogged") else ""


def _filled(options: Mapping[str, Any]) -> str:
    return f" with (fillfactor = {int(options['fillfactor'])})" if options.get("fillfactor") else ""


def partitioned(relation: TableName, options: Mapping[str, Any], ask: Ask) -> Iterator[str]:
    """Yield what makes a partitioned table of one that is not: its rows are written a second time.

    A part holds the rows of one month, or as `every` says; rows without a finite time lie in a part of their own.
    """
    given = options.get("partition_by")
    if not given:
        return
    by = {"column": given} if isinstance(given, str) else given
    column, every = by["column"], by.get("every", "month")
    kind = _kind(relation, column, ask)
    whole = _part(relation, "whole")
    yield f"alter table {relation.sql} rename to {quoted(whole.name)}"
    parts = _ranges(whole, column, every, kind, ask)
    yield f"create table {relation.sql} (like {whole.sql}) partition by range ({quoted(column)})"
    for low, high in parts:
        yield _partition(relation, low, f"for values from ({literal(low)}) to ({literal(high)})", options)
    yield _partition(relation, "rest", "default", options)
    yield f"insert into {relation.sql} select * from {whole.sql}"
    yield f"drop table {whole.sql}"


def _partition(relation: TableName, which: str, bounds: str, options: Mapping[str, Any]) -> str:
    part = _part(relation, which).sql
    return f"create {_unlogged(options)}table {part} partition of {relation.sql} {bounds}{_filled(options)}"


def _part(relation: TableName, which: str) -> TableName:
    """Return the name of a part: hashed, so that it always fits."""
    digest = hashlib.blake2b(f"{relation} {which}".encode(), digest_size=12).hexdigest()
    return TableName(relation.schema, f"sqlflow_part_{digest}")


def _kind(relation: TableName, column: str, ask: Ask) -> str:
    found = ask(
        "select format_type(atttypid, atttypmod) from pg_attribute where attnum > 0 and not attisdropped"
        f" and attrelid = to_regclass({literal(relation.sql)}) and attname = {literal(column)}"
    ).rows
    if not found:
        raise StatementError(f"`partition_by` names `{column}`, which the result does not have")
    kind = str(found[0][0])
    if re.sub(r"\(\d\)", "", kind) not in _TIMES:
        raise StatementError(f"`partition_by` names `{column}`, which is {kind}: it must be a date or a timestamp")
    return kind


def _ranges(whole: TableName, column: str, every: str, kind: str, ask: Ask) -> list[tuple[str, str]]:
    step = "3 months" if every == "quarter" else f"1 {every}"
    low = f"date_trunc({literal(every)}, {quoted(column)})"
    found = ask(
        f"select distinct ({low})::{kind}::text, ({low} + interval {literal(step)})::{kind}::text from {whole.sql}"
        f" where isfinite({quoted(column)}) order by 1 limit {PARTITIONS_AT_MOST + 1}"
    ).rows
    if len(found) > PARTITIONS_AT_MOST:
        raise StatementError(
            f"`partition_by` would make more than {PARTITIONS_AT_MOST} parts of a {every} each: choose a longer `every`"
        )
    return [(str(first), str(last)) for first, last in found]


def analyzed(relation: TableName, options: Mapping[str, Any]) -> Iterator[str]:
    """Yield what lets the planner know the rows: nobody else looks at a table that is published at once."""
    for column, target in options.get("statistics", {}).items():
        yield f"alter table {relation.sql} alter column {quoted(column)} set statistics {int(target)}"
    yield f"analyze {relation.sql}"
