from sqlflow import block


@block(inputs={"orders": "staging.ordres"})
def m(orders):
    return orders
