import pandas as pd

from sqlflow import block


@block
def m(orders: pd.DataFrame):
    return pd.DataFrame
