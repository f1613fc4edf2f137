import pandas as pd

from sqlflow import block


@block
def m(orders: pd.DataFrame) -> pd.DataFrame:
    return orders[orders["id"] > 100]
