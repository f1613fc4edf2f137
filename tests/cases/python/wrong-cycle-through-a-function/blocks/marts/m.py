import pandas as pd

from sqlflow import block


@block
def m(top: pd.DataFrame) -> pd.DataFrame:
    return top
