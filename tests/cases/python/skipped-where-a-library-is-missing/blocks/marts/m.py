from sqlflow import block


@block(requirements=["no-such-package>=2"], if_missing="skip")
def m(orders):
    return orders
