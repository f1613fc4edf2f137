import pandas as pd

from sqlflow import block


@block
def indexed(orders):
    return pd.DataFrame({"n": [1, 2]}, index=pd.Index(["a", "b"], name="id"))
