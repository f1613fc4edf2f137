"""The example warehouse, written for DuckDB, builds on Postgres and holds the same."""

from pathlib import Path

import duckdb
import pytest
from test_example import Built, built  # noqa: F401  a fixture

from sqlflow import Project
from sqlflow.core.names import TableName, quoted

ONE_UNIT = {"departures_per_day": 0.01, "million_seat_miles": 0.001}
"""Columns that are rounded from a double to a decimal: where the double lies between two, each engine takes its own."""

LEARNED = ("ml.arrival_delay", "ml.arrival_delay_errors", "marts.unexplained_routes")
"""They come from a model, which learns from a sample that its version's key has drawn, and each engine has keys of its own."""


def test_every_table_is_the_same_on_both_engines(
    built: Built,  # noqa: F811
    postgres_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WAREHOUSE_URL", postgres_url)
    project = Project.load(built.folder, target="postgres")
    assert project.build().ok
    loaded = project.loaded
    warehouse = loaded.target.engine.open(loaded.target.settings, loaded.root, readonly=True)
    session = warehouse.session()
    different = []
    with duckdb.connect(str(Path(built.folder) / "warehouse.duckdb"), read_only=True) as there:
        for name in sorted(name for name, block in loaded.blocks.items() if block.config.materialize != "ephemeral"):
            session.label(str(name))
            here = session.batches(f"select * from {name.sql}").read_all()
            there.register("here", here)
            rows = there.execute(f"select (select count(*) from here), count(*) from {name.sql}").fetchall()
            if rows[0][0] != rows[0][1] or (str(name) not in LEARNED and _differ(there, name)):
                different.append(str(name))
    warehouse.close()
    assert different == []


def _differ(there: duckdb.DuckDBPyConnection, name: TableName) -> bool:
    """Tell whether a table holds other rows than what is registered as `here`, all of whose values fit its types."""
    columns = there.execute(f"describe {name.sql}").fetchall()
    exact = [column for column, *_ in columns if column not in ONE_UNIT]
    cast = ", ".join(f"cast({quoted(column)} as {kind}) as {quoted(column)}" for column, kind, *_ in columns)
    mine, ours = (
        f"select {', '.join(map(quoted, exact))} from {rows}" for rows in (f"(select {cast} from here)", name.sql)
    )
    ((count,),) = there.execute(
        f"select (select count(*) from ({mine} except all {ours})) + (select count(*) from ({ours} except all {mine}))"
    ).fetchall()
    near = [column for column, *_ in columns if column in ONE_UNIT]
    if near:
        apart = " or ".join(f"abs(h.{quoted(column)} - t.{quoted(column)}) > {ONE_UNIT[column]}" for column in near)
        joined = f"here as h join {name.sql} as t on h.{quoted(exact[0])} = t.{quoted(exact[0])}"
        count += there.execute(f"select count(*) from {joined} where {apart}").fetchall()[0][0]
    return bool(count)
