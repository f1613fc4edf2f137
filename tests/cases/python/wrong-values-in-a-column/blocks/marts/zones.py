import pandas as pd

from sqlflow import block


@block
def zones(orders):
    return pd.DataFrame({"at": [pd.Timestamp("2013-01-01", tz="UTC"), pd.Timestamp("2013-01-01", tz="America/New_York")]})
