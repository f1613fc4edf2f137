import pyarrow as pa
import pyarrow.compute as pc

from sqlflow import block


@block
def with_arrow(orders: pa.Table) -> pa.Table:
    return orders.append_column("double", pc.multiply(orders["amount"], 2))
