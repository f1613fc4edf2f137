import pandas as pd

from sqlflow import block


@block
def m(orders: pd.DataFrame, factor: int = 2, label: str = "none", missing=None) -> pd.DataFrame:
    return orders.assign(scaled=orders["id"] * factor, label=label, missing=missing is None)
