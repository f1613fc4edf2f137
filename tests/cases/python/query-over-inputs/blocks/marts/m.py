import pandas as pd

from sqlflow import block


@block(depends_on=["staging.orders"])
def m(context, orders: pd.DataFrame) -> pd.DataFrame:
    known = context.sql("select max(id) as last from staging.orders")
    table = "orders"
    built = context.sql(f"select count(*) as n from staging.{table} where amount is not null")
    return pd.DataFrame({"last": known["last"], "n": built["n"], "rows": [len(orders)]})
