import pandas as pd

from sqlflow import block


@block
def m(marts__m: pd.DataFrame) -> pd.DataFrame:
    return marts__m
