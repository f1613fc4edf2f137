"""What somebody has defined in a database: it may give a query that does not name it, or names it as built in, other rows.

Of types, operators, casts, collations and functions with the name of a built-in one, each counts. Where there is an operator,
a cast or such a function, every other function counts too: it may be called inside. Of extensions the version counts.
"""

import hashlib
from collections.abc import Callable

from sqlflow.core.engine import Rows

_FIRST_OWN = 16384
"""Below are the object identifiers of what every database has."""


def _own(catalog: str, oid: str) -> str:
    """Return the condition that an object is none of every database's, and none of an extension."""
    return (
        f"{oid} >= {_FIRST_OWN} and not exists (select 1 from pg_depend"
        f" where classid = '{catalog}'::regclass and objid = {oid} and deptype = 'e')"
    )


_HIDES = f"exists (select 1 from pg_proc other where other.proname = pg_proc.proname and other.oid < {_FIRST_OWN})"
_IS_TYPE = (
    "typtype in ('d', 'e', 'r') or typtype = 'b' and typcategory <> 'A'"
    " or typtype = 'c' and exists (select 1 from pg_class where pg_class.oid = typrelid and relkind = 'c')"
)
_TYPE = """concat_ws(' ', format_type(pg_type.oid, null), typtype, typinput, typnotnull, typdefault,
 case when typbasetype <> 0 then format_type(typbasetype, typtypmod) end, typcollation,
 (select string_agg(enumlabel, ' ' order by enumsortorder) from pg_enum where enumtypid = pg_type.oid),
 (select string_agg(pg_get_constraintdef(oid), ' ' order by conname) from pg_constraint where contypid = pg_type.oid),
 (select pg_range::text from pg_range where rngtypid = pg_type.oid),
 (select string_agg(attname || ' ' || format_type(atttypid, atttypmod), ' ' order by attnum) from pg_attribute
  where attrelid = typrelid and typrelid <> 0 and not attisdropped))"""
_FUNCTION = """concat_ws(' ', pg_proc.oid::regprocedure, case when prokind <> 'a' then pg_get_functiondef(pg_proc.oid) end,
 (select pg_aggregate::text from pg_aggregate where aggfnoid = pg_proc.oid))"""
_OPERATOR = "concat_ws(' ', pg_operator.oid::regoperator, oprcode::regprocedure, oprresult::regtype)"
_CAST = "concat_ws(' ', castsource::regtype, casttarget::regtype, castfunc::regprocedure, castcontext, castmethod)"
_EXTENSION = f"""
select 'extension', extname || ' ' || extversion, false from pg_extension where pg_extension.oid >= {_FIRST_OWN} and exists (
 select 1 from pg_depend left join pg_proc on classid = 'pg_proc'::regclass and pg_proc.oid = objid
 where refclassid = 'pg_extension'::regclass and refobjid = pg_extension.oid and deptype = 'e'
 and (classid in ('pg_type'::regclass, 'pg_operator'::regclass, 'pg_cast'::regclass, 'pg_collation'::regclass)
  or pg_proc.oid is not null and {_HIDES}))"""
_ALL = f"""
select 'type' as kind, {_TYPE} as text, false as calls from pg_type where ({_IS_TYPE}) and {_own("pg_type", "pg_type.oid")}
union all select 'operator', {_OPERATOR}, true from pg_operator where {_own("pg_operator", "pg_operator.oid")}
union all select 'cast', {_CAST}, true from pg_cast where {_own("pg_cast", "pg_cast.oid")}
union all select 'collation', pg_collation::text, false from pg_collation where {_own("pg_collation", "pg_collation.oid")}
union all select 'function', {_FUNCTION}, {_HIDES} from pg_proc where {_own("pg_proc", "pg_proc.oid")}
union all {_EXTENSION}
order by 1, 2"""


def told(ask: Callable[[str], Rows]) -> str:
    """Return a hash of what a database defines itself and what may change results; empty if there is nothing."""
    found = ask(_ALL).rows
    calls = any(is_called for _, _, is_called in found)
    counted = [(kind, text) for kind, text, _ in found if calls or kind != "function"]
    return hashlib.blake2b(repr(counted).encode(), digest_size=8).hexdigest() if counted else ""
