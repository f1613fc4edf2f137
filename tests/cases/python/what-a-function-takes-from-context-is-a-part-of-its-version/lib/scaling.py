def scaled(orders, context):
    return orders.assign(id=orders["id"] * context.vars["factor"])
