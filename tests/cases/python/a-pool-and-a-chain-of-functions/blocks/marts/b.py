from sqlflow import block


@block(pool="one", name="renamed")
def b(a):
    print("from a:", len(a))
    return a
