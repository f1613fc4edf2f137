import pandas as pd

from sqlflow import assertion, block


@assertion
def has_rows(output: pd.DataFrame) -> None:
    assert len(output)
