import pandas as pd

from sqlflow import block


@block
def m(staging__orders: pd.DataFrame, raw__orders: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([staging__orders, raw__orders])
