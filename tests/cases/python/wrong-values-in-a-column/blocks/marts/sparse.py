import pandas as pd

from sqlflow import block


@block
def sparse(orders):
    return pd.DataFrame({"id": pd.arrays.SparseArray([0, 0, 1])})
