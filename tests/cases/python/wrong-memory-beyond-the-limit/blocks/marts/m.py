from sqlflow import block


@block(memory_limit="300MB")
def m(orders):
    rows = []
    while True:
        rows.append(bytearray(10_000_000))
