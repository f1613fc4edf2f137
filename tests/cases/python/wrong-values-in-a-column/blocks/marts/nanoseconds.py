import pandas as pd

from sqlflow import block


@block
def nanoseconds(orders):
    return pd.DataFrame({"at": pd.to_datetime(["2013-01-01 00:00:00.000000001"])})
