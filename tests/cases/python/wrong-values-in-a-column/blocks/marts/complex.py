import pandas as pd

from sqlflow import block


@block
def complex(orders):
    return pd.DataFrame({"z": [1 + 2j]})
