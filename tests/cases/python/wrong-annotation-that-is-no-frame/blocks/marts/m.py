import pandas as pd

from sqlflow import block


@block
def m(orders: list[dict], contxt: "Context", days: int) -> pd.DataFrame:
    return pd.DataFrame(orders)
