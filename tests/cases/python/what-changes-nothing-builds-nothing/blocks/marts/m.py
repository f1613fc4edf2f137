import pandas as pd

from sqlflow import assertion, block


@block
def m(orders: pd.DataFrame) -> pd.DataFrame:
    return orders


@assertion
def has_rows(output: pd.DataFrame) -> None:
    assert len(output) > 0
