import pandas as pd

from sqlflow import block


@block
def m(ordres: pd.DataFrame) -> pd.DataFrame:
    return ordres
