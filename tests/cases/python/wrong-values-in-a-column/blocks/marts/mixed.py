import pandas as pd

from sqlflow import block


@block
def mixed(orders):
    return pd.DataFrame({"id": [1, 2, "three"]})
