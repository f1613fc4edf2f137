from sqlflow import block


@block
def m(context):
    return context.sql("selct * frm staging.orders")
