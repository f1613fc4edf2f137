from sqlflow import block


@block
def m():
    return 'café'
