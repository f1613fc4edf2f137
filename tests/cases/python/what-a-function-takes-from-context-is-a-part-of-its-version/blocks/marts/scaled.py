import pandas as pd

from sqlflow import block


@block
def scaled(orders: pd.DataFrame, context) -> pd.DataFrame:
    return orders.assign(id=orders["id"] * context.vars["factor"])
