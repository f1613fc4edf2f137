import pandas as pd

from sqlflow import block


@block
def with_pandas(orders: pd.DataFrame) -> pd.DataFrame:
    return orders.assign(double=orders["amount"] * 2)
