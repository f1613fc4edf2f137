import pandas as pd

from sqlflow import block


@block
def m(context) -> pd.DataFrame:
    return context.sql("select amuont from staging.orders")
