import pandas as pd
from sqlflow import block


@block
def scores(of_a_source: pd.DataFrame) -> pd.DataFrame:
    return of_a_source
