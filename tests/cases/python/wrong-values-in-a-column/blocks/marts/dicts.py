import pandas as pd

from sqlflow import block


@block
def dicts(orders):
    return pd.DataFrame({"tags": [{"a": 1}, {"b": 2}]})
