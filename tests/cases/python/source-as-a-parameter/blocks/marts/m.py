import pandas as pd

from sqlflow import block


@block
def m(raw__people: pd.DataFrame) -> pd.DataFrame:
    return raw__people
