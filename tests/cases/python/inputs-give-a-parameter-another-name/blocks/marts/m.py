import pandas as pd

from sqlflow import block


@block(inputs={"left": "staging.orders", "right": "raw.orders"})
def m(left: pd.DataFrame, right: pd.DataFrame) -> pd.DataFrame:
    return left.merge(right, on="id")
