from sqlflow import block


@block
def m(orders):
    return {"id": [1, 2]}
