def m(orders):
    return orders
