import pandas as pd

from sqlflow import block


@block(requirements=["no-such-package>=2", "not a requirement !"])
def m(orders: pd.DataFrame) -> pd.DataFrame:
    return orders
