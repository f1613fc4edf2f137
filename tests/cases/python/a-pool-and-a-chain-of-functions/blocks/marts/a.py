from sqlflow import block


@block(pool="one", tags=["daily"])
def a(orders):
    return orders
