"""What somebody has defined in a database: it may give a query that does not name it, or names it as built in, other rows."""

import hashlib
from collections.abc import Callable

from sqlflow.core.engine import Rows
from sqlflow.core.errors import StatementError
from sqlflow.core.names import quoted

_TYPES = """
select schema_name, type_name, labels from duckdb_types()
where database_name = current_database() and not internal order by all"""
_MACROS = """
select schema_name, function_name, function_type, parameters, macro_definition from duckdb_functions()
where database_name = current_database() and not internal order by all"""
_BUILT_IN = "select distinct lower(function_name) from duckdb_functions() where internal"


def told(ask: Callable[[str], Rows]) -> str:
    """Return a hash of all types, and of all macros where one has the name of a function of DuckDB's own.

    Otherwise macros need no hash: a query that calls one is built each time. Empty if there is nothing.
    """
    types, macros = ask(_TYPES).rows, ask(_MACROS).rows
    if macros and not {name.lower() for _, name, *_ in macros} & {name for (name,) in ask(_BUILT_IN).rows}:
        macros = ()
    if not types and not macros:
        return ""
    meant = [ask(f"select typeof(cast(null as {quoted(schema)}.{quoted(name)}))").rows for schema, name, _ in types]
    calls = [_signatures(ask, schema, name, kind) for schema, name, kind, *_ in macros]
    return hashlib.blake2b(repr((types, meant, macros, calls)).encode(), digest_size=8).hexdigest()


def _signatures(ask: Callable[[str], Rows], schema: str, name: str, kind: str) -> str:
    """Return what DuckDB says of how a macro is to be called: the values of its defaults stand nowhere else."""
    called = "select * from" if kind == "table_macro" else "select"
    try:
        ask(f"{called} {quoted(schema)}.{quoted(name)}(sqlflow_has_none := null)")
    except StatementError as error:
        return error.message
    return ""
