"""Published views: replaced where their columns allow it, else dropped and made anew with their grants and comments."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from sqlflow.core.engine import Rows
from sqlflow.core.errors import StatementError
from sqlflow.core.names import TableName, literal, quoted

Ask = Callable[[str], Rows]
PRIVILEGES = ("select", "insert", "update", "delete", "references", "trigger")


def statements(view: TableName, relation: TableName, cascade: bool, ask: Ask) -> list[str]:
    """Return what makes `view` show all that `relation` holds.

    Postgres lets a view's columns be added to, not dropped or retyped. Raise StatementError, with their names, if views of
    others would have to be dropped and `cascade` does not say so.
    """
    create = f"create or replace view {view.sql} as select * from {relation.sql}"
    before, after = _columns(view, ask), _columns(relation, ask)
    if after[: len(before)] == before:
        return [create]
    readers = [reader for _, reader in dependents([view], ask)]
    if readers and not cascade:
        listed = ", ".join(f"`{reader}`" for reader in readers)
        raise StatementError(
            f"`{view}` gets other columns and is read by {listed}, which sqlflow did not make: drop what reads it, or say"
            " `--cascade`"
        )
    drop = f"drop view {view.sql}{' cascade' if cascade else ''}"
    return [drop, create, *_grants(view, {name for name, _ in after}, ask), *_comments(view, dict(after), ask)]


def granted(
    view: TableName, grants: Mapping[str, Sequence[str]], given: Mapping[str, Sequence[str]], ask: Ask
) -> Iterator[str]:
    """Yield what gives and takes rights, so that those who are named and nobody else have the privileges that are named.

    What earlier grants have `given` of others is taken back from its roles.
    """
    found = ask(
        "select lower(acl.privilege_type), coalesce(rolname, 'public') from pg_class, aclexplode(relacl) as acl"
        f" left join pg_roles on pg_roles.oid = acl.grantee where pg_class.oid = {_regclass(view)}"
        " and acl.grantee <> relowner order by 1, 2"
    )
    have = set(found.rows)
    wanted, ours = _pairs(grants), _pairs(given)
    asked = {privilege.lower() for privilege in grants}
    for privilege, role in sorted(have - wanted):
        if privilege in asked or (privilege, role) in ours:
            yield f"revoke {privilege} on {view.sql} from {_role(role)}"
    for privilege, role in sorted(wanted - have):
        yield f"grant {privilege} on {view.sql} to {_role(role)}"


def _pairs(grants: Mapping[str, Sequence[str]]) -> set[tuple[str, str]]:
    return {(privilege.lower(), role) for privilege, roles in grants.items() for role in roles}


def _role(name: str) -> str:
    return "public" if name == "public" else quoted(name)


def dependents(relations: Sequence[TableName], ask: Ask) -> tuple[tuple[TableName, TableName], ...]:
    """Return which relation is read by which view, directly."""
    if not relations:
        return ()
    listed = ", ".join(f"({literal(name.schema)}, {literal(name.name)})" for name in relations)
    found = ask(
        "select distinct read_schema.nspname, read.relname, reader_schema.nspname, reader.relname from pg_depend"
        " join pg_rewrite on pg_rewrite.oid = pg_depend.objid join pg_class reader on reader.oid = pg_rewrite.ev_class"
        " join pg_namespace reader_schema on reader_schema.oid = reader.relnamespace"
        " join pg_class read on read.oid = pg_depend.refobjid"
        " join pg_namespace read_schema on read_schema.oid = read.relnamespace"
        " where pg_depend.classid = 'pg_rewrite'::regclass and pg_depend.refclassid = 'pg_class'::regclass"
        f" and reader.oid <> read.oid and (read_schema.nspname, read.relname) in ({listed}) order by 1, 2, 3, 4"
    )
    return tuple((TableName(schema, name), TableName(*reader)) for schema, name, *reader in found.rows)


def _regclass(relation: TableName) -> str:
    return f"to_regclass({literal(relation.sql)})"


def _columns(relation: TableName, ask: Ask) -> list[tuple[str, str]]:
    """Return the columns' names, each with all that must be the same for a view to be replaced."""
    found = ask(
        "select attname, format_type(atttypid, atttypmod) || ' ' || attcollation from pg_attribute"
        f" where attrelid = {_regclass(relation)} and attnum > 0 and not attisdropped order by attnum"
    )
    return [(name, kind) for name, kind in found.rows]


def _grants(view: TableName, columns: set[str], ask: Ask) -> list[str]:
    """Return what gives the rights on a view again, those on columns only as far as the columns are still there."""
    found = ask(
        "select acl.privilege_type, coalesce(quote_ident(rolname), 'public'), acl.is_grantable, attname from ("
        f" select relacl as acl, null as attname, relowner from pg_class where oid = {_regclass(view)} union all"
        " select attacl, attname, relowner from pg_attribute join pg_class on pg_class.oid = attrelid"
        f" where attrelid = {_regclass(view)} and attnum > 0) as given, aclexplode(given.acl) as acl"
        " left join pg_roles on pg_roles.oid = acl.grantee where acl.grantee <> given.relowner order by 4 nulls first, 2, 1"
    )
    return [
        f"grant {right}{f' ({quoted(column)})' if column else ''} on {view.sql} to {role}"
        + (" with grant option" if may_grant else "")
        for right, role, may_grant, column in found.rows
        if column is None or column in columns
    ]


def _comments(view: TableName, columns: dict[str, str], ask: Ask) -> list[str]:
    found = ask(
        "select attname, description from pg_description left join pg_attribute on attrelid = objoid and attnum = objsubid"
        f" and objsubid > 0 where objoid = {_regclass(view)} and classoid = 'pg_class'::regclass order by objsubid"
    )
    return [
        f"comment on column {view.sql}.{quoted(column)} is {literal(text)}"
        if column
        else f"comment on view {view.sql} is {literal(text)}"
        for column, text in found.rows
        if column is None or column in columns
    ]
