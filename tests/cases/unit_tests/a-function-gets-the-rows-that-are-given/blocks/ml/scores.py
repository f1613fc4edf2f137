import pandas as pd
from sqlflow import Context, block


@block(columns={"id": {"type": "bigint"}, "score": {"type": "double"}})
def scores(int_orders: pd.DataFrame, context: Context, limit: int = 10) -> pd.DataFrame:
    top = context.sql("select max(amount) as top from int_orders")["top"][0]
    return pd.DataFrame({"id": int_orders["id"], "score": int_orders["amount"].astype("float64") / float(top) * limit})
