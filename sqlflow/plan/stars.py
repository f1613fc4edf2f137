"""The columns that a `*` in a SELECT stands for."""

from collections.abc import Callable
from typing import Any

from sqlflow.plan.origins import EVERY, Origin, Relation, Scope, Unclear, distinct, hashed, merged


def is_star(item: Any) -> bool:
    from sqlglot import exp

    return isinstance(item, exp.Star) or (isinstance(item, exp.Column) and isinstance(item.this, exp.Star))


def refuse_patterns(item: Any) -> None:
    """Raise Unclear for a column of a SELECT whose text stands for several, as `columns('a.*')` and `struct_pack(*)` do."""
    from sqlglot import exp

    stars = (star for star in item.find_all(exp.Star) if star.parent_select is item.parent_select)
    if (
        isinstance(item, exp.Aliases)
        or item.find(exp.Columns)
        or any(not isinstance(s.parent, exp.Count) for s in stars)
    ):
        raise Unclear("columns by a pattern")


def starred(item: Any, scope: Scope, computed: Callable[[Any], Origin]) -> Relation:
    """Return the columns that a `*` stands for, with what EXCLUDE, REPLACE and RENAME make of them."""
    star, wanted = (item, "") if not item.args.get("table") else (item.this, item.table.lower())
    tables = [table for alias, table in scope.shown() if not wanted or alias == wanted]
    if star.args.get("ilike") or not tables or (wanted and len(tables) > 1):
        raise Unclear("a star of no table, or by a pattern")
    unknown = [table.unknown for table in tables if table.unknown]
    columns = _changed(_all_columns(tables, scope, not wanted), star, bool(unknown), computed)
    but = " ".join(
        sorted(one.alias_or_name.lower() for kind in ("except_", "replace") for one in star.args.get(kind) or ())
    )

    def other(name: str) -> Origin:
        return merged([of(name) for of in unknown], f"but {but}" if but and name == EVERY else "")

    return Relation(Origin(), columns, other if unknown else None)


def _all_columns(tables: list[Relation], scope: Scope, joined: bool) -> dict[str, Origin]:
    """Return the columns of tables; those that USING and NATURAL join by are there once."""
    columns: dict[str, Origin] = {}
    times: dict[str, int] = {}
    for table in tables:
        for name, origin in table.columns.items():
            times[name] = times.get(name, 0) + 1
            joins = scope.shared.get(name, 0) if joined else 0
            if times[name] > joins + 1:
                raise Unclear(f"two columns `{name}`")
            columns.setdefault(name, scope.bare(name, False) if joins else origin)
    return columns


def _changed(
    columns: dict[str, Origin], star: Any, is_open: bool, computed: Callable[[Any], Origin]
) -> dict[str, Origin]:
    for excepted in star.args.get("except_") or ():
        columns.pop(excepted.name.lower(), None)
    for replaced in star.args.get("replace") or ():
        origin = computed(replaced)
        columns[replaced.alias.lower()] = Origin(hashed(replaced.alias, origin.code), origin.reads)
    renames = {alias.this.name.lower(): alias.alias for alias in star.args.get("rename") or ()}
    if is_open and renames:
        raise Unclear("a star of unknown columns with RENAME")
    return distinct((renames.get(name, name).lower(), origin) for name, origin in columns.items())
