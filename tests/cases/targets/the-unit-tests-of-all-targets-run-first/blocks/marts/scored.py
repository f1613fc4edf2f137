import pandas as pd

from sqlflow import block


@block
def scored(marts__doubled: pd.DataFrame) -> pd.DataFrame:
    return marts__doubled.assign(score=1)
