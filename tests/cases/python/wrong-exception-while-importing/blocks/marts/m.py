from sqlflow import block


LIMITS = {"low": 1}
HIGH = LIMITS["high"]


@block
def m(orders):
    return orders
