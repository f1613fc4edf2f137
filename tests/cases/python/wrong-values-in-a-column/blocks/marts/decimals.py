from decimal import Decimal

import pandas as pd

from sqlflow import block


@block
def decimals(orders):
    return pd.DataFrame({"price": [Decimal("1.5"), Decimal("NaN")]})
