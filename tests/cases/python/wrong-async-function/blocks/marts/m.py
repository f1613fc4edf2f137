import pandas as pd

from sqlflow import block


@block
async def m(orders: pd.DataFrame) -> pd.DataFrame:
    return orders
