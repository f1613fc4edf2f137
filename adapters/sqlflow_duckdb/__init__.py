"""sqlflow's engine adapter for DuckDB."""

from sqlflow.core.engine import Engine
from sqlflow_duckdb.engine import DuckDBEngine

ENGINE: Engine = DuckDBEngine()
