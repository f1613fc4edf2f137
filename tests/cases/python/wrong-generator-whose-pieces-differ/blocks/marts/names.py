import pandas as pd

from sqlflow import block


@block
def names(orders):
    yield pd.DataFrame({"id": [1]})
    yield pd.DataFrame({"key": [2]})
