from collections.abc import Iterator

import pandas as pd

from sqlflow import block


@block(description="What a service answers, page by page.")
def m() -> Iterator[pd.DataFrame]:
    for page in range(3):
        print("page", page)
        yield pd.DataFrame({"id": [page * 2, page * 2 + 1]}, dtype="int32")
