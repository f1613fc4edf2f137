"""sqlflow's engine adapter for DuckDB."""

from sqlflow_duckdb.engine import DuckDBEngine

ENGINE = DuckDBEngine()
