import narwhals as nw

from sqlflow import block


@block
def with_narwhals_lazy(orders: nw.LazyFrame) -> nw.LazyFrame:
    return orders.with_columns(double=nw.col("amount") * 2)
