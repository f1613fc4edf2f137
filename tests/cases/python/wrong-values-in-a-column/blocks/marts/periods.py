import pandas as pd

from sqlflow import block


@block
def periods(orders):
    return pd.DataFrame({"month": pd.period_range("2013-01", periods=2, freq="M")})
