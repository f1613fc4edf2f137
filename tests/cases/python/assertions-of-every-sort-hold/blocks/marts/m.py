import pandas as pd

from sqlflow import assertion, block


@block(assertions=[{"unique": "id"}, "id > 0", {"not_null": ["id"]}, {"references": {"id": "staging.orders.id"}}])
def m(orders: pd.DataFrame) -> pd.DataFrame:
    return orders


@assertion
def asserts(output: pd.DataFrame) -> None:
    assert output["id"].is_unique


@assertion
def says_true(output: pd.DataFrame) -> bool:
    return bool((output["id"] > 0).all())


@assertion(name="same_rows", description="Nothing is lost on the way.")
def returns_no_rows(output: pd.DataFrame, orders: pd.DataFrame) -> pd.DataFrame:
    return orders[~orders["id"].isin(output["id"])]


@assertion(severity="warn")
def warns_of_rows(output: pd.DataFrame) -> pd.DataFrame:
    return output[output["amount"].isna()]
