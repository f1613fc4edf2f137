import duckdb

from sqlflow import block


@block
def with_duckdb(orders: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
    return orders.project("*, amount * 2 as double")
