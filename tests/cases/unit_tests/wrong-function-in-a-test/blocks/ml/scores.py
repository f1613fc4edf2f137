import pandas as pd
from sqlflow import block


@block
def scores(orders: pd.DataFrame) -> pd.DataFrame:
    print("scoring", len(orders))
    return pd.DataFrame({"score": orders["amount"] / orders["weight"]})
