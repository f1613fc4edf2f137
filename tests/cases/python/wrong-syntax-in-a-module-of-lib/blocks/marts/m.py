from sqlflow import block


from lib.money import cents


@block
def m(orders):
    return cents(orders)
