from sqlflow import block


@block
def works(orders):
    return orders
