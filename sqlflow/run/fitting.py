"""Whether the rows of an export fit into a table that is there: told by column, before anything moves."""

import re
from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from sqlflow.core.engine import Column, Engine, Session
from sqlflow.core.names import TableName, literal, quoted

_INTEGERS = {"tinyint": 3, "utinyint": 3, "smallint": 5, "usmallint": 5, "integer": 10, "uinteger": 10, "bigint": 19,
             "ubigint": 20, "hugeint": 39}  # fmt: skip
"""How many digits the values of each type of integers have at most."""
_HOLDS = {
    "tinyint": "smallint integer bigint hugeint", "utinyint": "usmallint smallint uinteger integer ubigint bigint hugeint",
    "smallint": "integer bigint hugeint", "usmallint": "uinteger integer ubigint bigint hugeint",
    "integer": "bigint hugeint", "uinteger": "ubigint bigint hugeint", "bigint": "hugeint", "ubigint": "hugeint",
    "float": "double", "real": "double precision", "date": "timestamp",
}  # fmt: skip
_REALS = {"smallint", "usmallint", "tinyint", "utinyint", "integer", "uinteger"}
"""The integers of which a real number of eight bytes holds every one."""
_TEXTS = {"text", "varchar"}
_PARSED = {"uuid", "json", "jsonb"}
"""The types that a text must be cast to, which refuses aloud what is none."""
_DECIMAL = re.compile(r"(?:decimal|numeric)\((\d+),(\d+)\)")


class Misfit(Struct, frozen=True):
    """What keeps rows from going into a table, and what can be done."""

    message: str
    hint: str


def holds(wanted: str, given: str, engine: Engine) -> bool:
    """Tell whether a column of the type `wanted` holds every value of the type `given`, or refuses aloud what it does not.

    Both are types of the same engine, in any spelling.
    """
    given, wanted = engine.type_name(given), engine.type_name(wanted)
    if given == wanted or wanted in _HOLDS.get(given, "").split():
        return True
    if given in _HOLDS and wanted in ("double", "double precision"):
        return given in _REALS or given in ("float", "real")
    base, into = given.partition("(")[0], wanted.partition("(")[0]
    if base in _TEXTS:
        return into in _TEXTS | _PARSED | {"enum"}
    if (base, into) in {("json", "jsonb"), ("jsonb", "json")}:
        return True
    if wanted == "numeric":
        return given in _INTEGERS or base == "numeric"
    sized = _DECIMAL.fullmatch(wanted)
    return sized is not None and _fits_into_decimal(given, int(sized[1]) - int(sized[2]), int(sized[2]))


def given_as(column: Column, wanted: str, engine: Engine) -> str:
    """Return a column as it goes into one of the type `wanted`, which holds it: a cast would cut a long text in silence."""
    is_text = engine.type_name(column.type).partition("(")[0] in _TEXTS
    is_parsed = is_text and engine.type_name(wanted).partition("(")[0] in _PARSED
    return f"cast({quoted(column.name)} as {wanted})" if is_parsed else quoted(column.name)


def _fits_into_decimal(given: str, whole: int, fraction: int) -> bool:
    own = _DECIMAL.fullmatch(given)
    if own:
        return int(own[1]) - int(own[2]) <= whole and int(own[2]) <= fraction
    return _INTEGERS.get(given, whole + 1) <= whole


def misfits(
    aside: TableName, columns: Sequence[Column], table: TableName, there: Sequence[Column], target: str,
    engine: Engine, session: Session,
) -> Iterator[Misfit]:  # fmt: skip
    """Yield what keeps the rows of `aside` from going into a table that has the columns `there`."""
    what = f"`{table}` in `{target}`"
    known = {column.name.lower(): column for column in there}
    given = {column.name.lower(): column for column in columns}
    for name, column in given.items():
        if name not in known:
            listed = ", ".join(f"`{one.name}`" for one in there)
            yield Misfit(
                f"{what} has no column `{column.name}`", f"it has {listed}: leave it out in the block, or add it there"
            )
        elif not holds(known[name].type, column.type, engine):
            yield Misfit(
                f"the column `{column.name}` comes as {column.type}, and is {known[name].type} in {what},"
                " which does not hold all of its values",
                f"cast it in the block, or change its type in {what}",
            )
    strict = _strict(table, session)
    for name in strict:
        if name not in given and strict[name]:
            message = f"{what} takes no row without `{known[name].name}`, which the block does not have"
            yield Misfit(message, "add it to the block, or give the column a default")
    both = [name for name in given if name in strict]
    for name, nulls in zip(both, _nulls(aside, [given[name] for name in both], session), strict=True):
        if nulls:
            rows = "1 row has one" if nulls == 1 else f"{nulls} rows have one"
            message = f"the column `{given[name].name}` takes no NULL in {what}, and {rows}"
            yield Misfit(message, "leave such rows out in the block, or give them a value")


def _strict(table: TableName, session: Session) -> Mapping[str, bool]:
    """Return the columns of a table that take no NULL, and whether each must be given, since it has no default."""
    rows = session.rows(
        "select lower(column_name), column_default is null and coalesce(is_identity, 'NO') <> 'YES'"
        " and coalesce(is_generated, 'NEVER') <> 'ALWAYS' from information_schema.columns"
        f" where is_nullable = 'NO' and table_catalog = current_database() and table_schema = {literal(table.schema)}"
        f" and table_name = {literal(table.name)}"
    ).rows
    return {name: bool(must) for name, must in rows}


def _nulls(relation: TableName, columns: Sequence[Column], session: Session) -> Sequence[int]:
    if not columns:
        return ()
    counted = ", ".join(f"count(*) - count({quoted(column.name)})" for column in columns)
    return [int(count) for count in session.rows(f"select {counted} from {relation.sql}").rows[0]]
