from lib.money import cents

from sqlflow import block


@block
def m(orders):
    return cents(orders)
