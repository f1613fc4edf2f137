from sqlflow import block


@block
def m(orders):
    return orders["id"]
