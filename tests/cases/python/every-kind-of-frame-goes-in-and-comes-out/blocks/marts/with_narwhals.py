import narwhals as nw

from sqlflow import block


@block
def with_narwhals(orders: nw.DataFrame) -> nw.DataFrame:
    return orders.with_columns(double=nw.col("amount") * 2)
