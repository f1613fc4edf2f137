from sqlflow import block


@block
def twice(one):
    return one * 2
