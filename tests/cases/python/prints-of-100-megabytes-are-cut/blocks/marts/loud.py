import pandas as pd

from sqlflow import block


@block
def loud():
    print("this is told")
    print("x" * 100_000_000)
    print("and this is not")
    return pd.DataFrame({"n": [1]})
