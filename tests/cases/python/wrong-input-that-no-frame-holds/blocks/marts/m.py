import pandas as pd

from sqlflow import block


@block
def m(odd: pd.DataFrame) -> pd.DataFrame:
    return odd
