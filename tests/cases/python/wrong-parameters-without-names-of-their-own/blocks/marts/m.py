import pandas as pd

from sqlflow import block


@block
def m(orders, /, *others, **more) -> pd.DataFrame:
    return orders
