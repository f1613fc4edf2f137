"""sqlflow's engine adapter for Postgres."""

from sqlflow.core.engine import Engine
from sqlflow_postgres.engine import PostgresEngine

ENGINE: Engine = PostgresEngine()
