import pandas as pd

from sqlflow import block


@block
def named(orders: pd.DataFrame, context) -> pd.DataFrame:
    return orders.assign(target=context.target)
