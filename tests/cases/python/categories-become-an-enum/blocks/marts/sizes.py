"""The sizes of shirts, in the order in which people know them."""

import pandas as pd

from sqlflow import block


@block
def sizes():
    return pd.DataFrame({"size": pd.Categorical(["L", "S", None], categories=["S", "M", "L"])})
