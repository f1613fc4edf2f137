import pandas as pd

from sqlflow import assertion, block


@block(description="Orders, doubled.", assertions=[{"unique": "id"}])
def m(orders: pd.DataFrame, factor: int = 2) -> pd.DataFrame:
    print("rows:", len(orders))
    return orders.assign(double=orders["id"] * factor)


@assertion(severity="warn")
def small(output: pd.DataFrame) -> pd.DataFrame:
    return output[output["double"] > 4]
