import no_such_package

from sqlflow import block


@block
def m(orders):
    return no_such_package.forecast(orders)
