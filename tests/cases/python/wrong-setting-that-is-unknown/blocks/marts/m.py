from sqlflow import block


@block(
    materialise="table",
    timeout="soon",
    memory_limit="lots",
)
def m(orders):
    return orders
