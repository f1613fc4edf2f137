import pandas as pd

from sqlflow import assertion, block


@block
def m(orders: pd.DataFrame) -> pd.DataFrame:
    return orders


@assertion
def has_rows(m: pd.DataFrame) -> None:
    assert len(m)
