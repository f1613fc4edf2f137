from sqlflow import block


@block
def m(orders):
    yield from ()
