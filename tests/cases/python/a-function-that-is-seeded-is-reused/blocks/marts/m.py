import random

import pandas as pd

from sqlflow import block


@block
def m(orders: pd.DataFrame, context) -> pd.DataFrame:
    drawn = random.Random(context.seed)
    return orders.assign(lot=[drawn.randrange(1000) for _ in range(len(orders))])
