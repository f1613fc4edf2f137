import polars as pl

from sqlflow import block


@block
def with_polars(orders: pl.DataFrame) -> pl.DataFrame:
    return orders.with_columns(double=pl.col("amount") * 2)
