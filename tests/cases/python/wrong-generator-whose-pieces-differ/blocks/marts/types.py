import pandas as pd

from sqlflow import block


@block
def types(orders):
    yield pd.DataFrame({"id": [1]})
    yield pd.DataFrame({"id": ["2"]})
