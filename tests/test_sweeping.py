"""Cleaning takes what nobody needs, leaves what is in use, and is kept from the rest by nothing that stands in its way."""

from pathlib import Path

import psycopg
from support import times, write

from sqlflow import Project


def project(folder: Path, url: str, edition: int) -> Project:
    target = f"targets: {{dev: {{engine: postgres, url: '{url}'}}}}\n"
    write(
        folder,
        {
            "sqlflow.yml": f"name: p\nvars: {{edition: 0}}\n{target}",
            "blocks/marts/a.sql": "select {{ var('edition') }} as edition",
            "blocks/marts/b.sql": "/*---\nmaterialize: view\n---*/\nselect edition from a",
        },
    )
    return Project.load(folder, vars={"edition": edition})


def tables_of(other: "psycopg.Connection[tuple[str, ...]]", block: str) -> list[str]:
    """Return the versions of a block, the oldest first."""
    query = "select relation from _sqlflow.sqlflow_versions where block = %s order by built_at"
    return [name for (name,) in other.execute(query, (block,)).fetchall()]


def there(other: "psycopg.Connection[tuple[str, ...]]") -> set[str]:
    query = (
        "select relname::text from pg_class where relnamespace = '_sqlflow'::regnamespace and relkind in ('r', 'v')"
        " and relname not like 'sqlflow\\_%'"
    )
    return {name for (name,) in other.execute(query).fetchall()}


def test_what_is_locked_read_by_others_or_gone_keeps_nothing_else_from_being_dropped(
    tmp_path: Path, postgres_url: str
) -> None:
    with psycopg.connect(postgres_url, autocommit=True) as other, psycopg.connect(postgres_url) as reader:
        for number in range(times(2, 100)):
            for edition in range(1, 6):
                assert project(tmp_path, postgres_url, 10 * number + edition).build().ok
            *old, locked, read, gone, needless, shown = tables_of(other, "marts.a")
            (view,) = tables_of(other, "marts.b")[-1:]
            other.execute(f"create view theirs as select * from _sqlflow.{read}".encode())
            for one in set(tables_of(other, "marts.b")) - {view}:
                other.execute(f"drop view _sqlflow.{one}".encode())
            other.execute(f"drop table _sqlflow.{gone}".encode())
            reader.execute(f"select * from _sqlflow.{locked}".encode())

            assert set(project(tmp_path, postgres_url, 10 * number + 5).clean()) == {*old, needless}
            assert there(other) == {locked, read, shown, view}

            reader.rollback()
            other.execute("drop view theirs")
            assert set(project(tmp_path, postgres_url, 10 * number + 5).clean()) == {locked, read}
            assert there(other) == {shown, view}
            assert tables_of(other, "marts.a") == [shown], "the state tells of nothing that is gone"
            assert tables_of(other, "marts.b") == [view]
            assert project(tmp_path, postgres_url, 0).clean() == ()
            assert other.execute("select edition from marts.b").fetchall() == [(10 * number + 5,)]
