import pandas as pd

from sqlflow import block


@block
def levels(orders):
    return pd.DataFrame({"n": [1]}, index=pd.MultiIndex.from_tuples([("a", 1)], names=["x", "y"]))
