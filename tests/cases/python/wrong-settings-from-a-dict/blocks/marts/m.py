from sqlflow import block


@block(**{"tags": ["daily"]})
def m(orders):
    return orders
