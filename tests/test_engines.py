"""Every engine that comes with sqlflow passes the one suite."""

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
