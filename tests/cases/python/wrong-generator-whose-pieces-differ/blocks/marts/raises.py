import pandas as pd

from sqlflow import block


@block
def raises(orders):
    yield pd.DataFrame({"id": [1]})
    raise ValueError("no more")
