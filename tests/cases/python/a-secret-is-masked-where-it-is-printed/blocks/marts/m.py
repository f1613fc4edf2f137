import pandas as pd

from sqlflow import block


@block
def m(context) -> pd.DataFrame:
    print("the key is", context.env("API_KEY"))
    context.log.warning("in full: %s", context.env("API_KEY"))
    return pd.DataFrame({"length": [len(context.env("API_KEY"))], "other": [context.env("OTHER", "none")]})
