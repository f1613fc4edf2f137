from sqlflow import block


@block
def m(orders):
    yield orders
    yield None
