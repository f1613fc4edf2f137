import pandas as pd

from sqlflow import block


@block
def numbered(orders):
    return pd.DataFrame([[1, 2]])
