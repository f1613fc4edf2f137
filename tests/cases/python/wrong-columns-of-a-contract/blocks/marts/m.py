import pandas as pd

from sqlflow import block


@block(contract=True, columns={"id": {"type": "integer"}, "amount": {"type": "double"}})
def m(orders: pd.DataFrame) -> pd.DataFrame:
    return orders[["id", "note"]]
