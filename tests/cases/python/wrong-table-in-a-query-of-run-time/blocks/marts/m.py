import pandas as pd

from sqlflow import block


@block
def m(context, orders: pd.DataFrame) -> pd.DataFrame:
    table = "customers"
    return context.sql(f"select * from staging.{table}")
