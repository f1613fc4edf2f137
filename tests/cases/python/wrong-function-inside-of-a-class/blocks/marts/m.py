import pandas as pd

from sqlflow import block


class Blocks:
    @block
    def m(self) -> pd.DataFrame:
        return pd.DataFrame({"id": [1]})
