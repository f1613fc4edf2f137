from sqlflow import block


@block(
    materialize="view",
    order_by=["id"],
    pre_statements=["set threads = 1"],
    inputs={"order": "staging.orders"},
)
def m(orders):
    return orders
