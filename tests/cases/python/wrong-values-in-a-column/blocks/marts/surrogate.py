import pandas as pd

from sqlflow import block


@block
def surrogate(orders):
    return pd.DataFrame({"note": pd.Series(["fine", "\ud800"], dtype=object)})
