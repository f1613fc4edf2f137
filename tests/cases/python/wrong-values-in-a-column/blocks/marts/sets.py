import pandas as pd

from sqlflow import block


@block
def sets(orders):
    return pd.DataFrame({"id": [1, 2], "tags": [{"a"}, {"b"}]})
