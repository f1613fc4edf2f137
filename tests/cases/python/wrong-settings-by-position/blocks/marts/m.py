from sqlflow import block


@block("table")
def m(orders):
    return orders
