import pandas as pd

from sqlflow import block


@block
def long_name(orders):
    return pd.DataFrame({"x" * 70: [1]})
