import pandas as pd

from sqlflow import block


@block
def m(stagin__orders: pd.DataFrame) -> pd.DataFrame:
    return stagin__orders
