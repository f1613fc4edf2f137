import pyarrow as pa

from sqlflow import block


@block
def churn(marts__plain: pa.Table) -> pa.Table:
    return marts__plain
