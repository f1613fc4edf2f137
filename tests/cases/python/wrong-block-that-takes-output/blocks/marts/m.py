import pandas as pd

from sqlflow import block


@block
def m(output: pd.DataFrame) -> pd.DataFrame:
    return output
