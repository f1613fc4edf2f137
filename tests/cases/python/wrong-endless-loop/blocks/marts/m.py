from sqlflow import block


@block(timeout="1s")
def m(orders):
    while True:
        pass
