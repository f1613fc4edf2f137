import pandas as pd

from sqlflow import block


@block
def m(context) -> pd.DataFrame:
    return pd.DataFrame({"key": [context.env("API_KEY")]})
