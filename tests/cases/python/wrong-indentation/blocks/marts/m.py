from sqlflow import block


@block
def m(orders):
    x = 1
  return orders
