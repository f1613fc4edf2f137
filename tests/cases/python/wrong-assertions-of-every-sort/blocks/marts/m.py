import pandas as pd

from sqlflow import assertion, block


@block(assertions=[{"unique": "id"}, "amount > 11", {"not_null": ["amount"]}])
def m(orders: pd.DataFrame) -> pd.DataFrame:
    return orders


@assertion
def asserts(output: pd.DataFrame) -> None:
    total = output["amount"].sum()
    assert total > 100, f"only {total} in all"


@assertion
def asserts_without_words(output: pd.DataFrame) -> None:
    assert len(output) == 2


@assertion
def says_false(output: pd.DataFrame) -> bool:
    return False


@assertion
def says_numpy_false(output: pd.DataFrame) -> bool:
    return (output["id"] > 1).all()


@assertion(sample_rows=1)
def returns_rows(output: pd.DataFrame, orders: pd.DataFrame) -> pd.DataFrame:
    return orders[orders["id"] > 1]


@assertion(fail_above=2)
def bears_two(output: pd.DataFrame) -> pd.DataFrame:
    return output[output["id"] > 1]


@assertion(severity="warn")
def warns(output: pd.DataFrame) -> bool:
    return False


@assertion
def returns_a_number(output: pd.DataFrame) -> int:
    return 3


@assertion
def raises(output: pd.DataFrame) -> None:
    raise KeyError("amuont")


@assertion(timeout="1s")
def hangs(output: pd.DataFrame) -> None:
    while True:
        pass
