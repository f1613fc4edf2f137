"""Every engine that comes with sqlflow passes the one suite."""

from datetime import date
from pathlib import Path

import pytest

from sqlflow.testing import EngineSuite, OpenTarget
from sqlflow_duckdb import ENGINE as DUCKDB
from sqlflow_postgres import ENGINE as POSTGRES


class TestDuckDB(EngineSuite):
    @pytest.fixture
    def target(self, tmp_path: Path) -> OpenTarget:
        return OpenTarget(DUCKDB, DUCKDB.settings(engine="duckdb"), tmp_path)


class TestPostgres(EngineSuite):
    @pytest.fixture
    def target(self, tmp_path: Path, postgres_url: str) -> OpenTarget:
        return OpenTarget(POSTGRES, POSTGRES.settings(engine="postgres", url=postgres_url), tmp_path)


@pytest.mark.parametrize("limit", [None, 1])
def test_rows_in_memory_hold_infinite_times_of_duckdb_as_text(limit: int | None) -> None:
    connection = DUCKDB.open(DUCKDB.settings(engine="duckdb", path=":memory:"), Path())
    query = (
        "select date 'infinity' as same, timestamp '-infinity' as same, timestamptz 'infinity' as z, date '2020-02-29' as d,"
        " date '9999-12-31' as last -- a note"
    )
    found = connection.session().rows(query, limit)
    assert found.columns == ("same", "same", "z", "d", "last")
    assert found.rows == (("infinity", "-infinity", "infinity", date(2020, 2, 29), "9999-12-31"),)
    connection.close()
