import pyarrow as pa

from sqlflow import block


@block
def with_batches(orders: pa.RecordBatchReader):
    for batch in orders:
        yield batch
