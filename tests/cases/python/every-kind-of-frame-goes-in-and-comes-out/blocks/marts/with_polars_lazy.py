import polars as pl

from sqlflow import block


@block
def with_polars_lazy(orders: pl.LazyFrame) -> pl.LazyFrame:
    return orders.with_columns(double=pl.col("amount") * 2)
