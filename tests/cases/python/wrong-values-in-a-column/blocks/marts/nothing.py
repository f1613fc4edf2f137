import pandas as pd

from sqlflow import block


@block
def nothing(orders):
    return pd.DataFrame({"id": pd.Series([None, None], dtype=object)})
