import pandas as pd

from sqlflow import block


@block(assertions=[{"uniqe": "id"}, {"not_null": "amuont"}])
def m(orders: pd.DataFrame) -> pd.DataFrame:
    return orders
