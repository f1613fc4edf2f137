def named(orders, context):
    return orders.assign(target=context.target)
