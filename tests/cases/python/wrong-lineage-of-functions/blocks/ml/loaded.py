import pandas as pd

from sqlflow import block


@block(columns={"id": {"made_from": ["flights.id"]}})
def loaded():
    return pd.DataFrame({"id": [1]})
