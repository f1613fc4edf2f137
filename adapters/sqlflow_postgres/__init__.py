"""sqlflow's engine adapter for Postgres."""

from sqlflow_postgres.engine import PostgresEngine

ENGINE = PostgresEngine()
