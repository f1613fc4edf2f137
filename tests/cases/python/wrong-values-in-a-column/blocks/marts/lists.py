import pandas as pd

from sqlflow import block


@block
def lists(orders):
    return pd.DataFrame({"tags": [["a"], ["a", 1]]})
