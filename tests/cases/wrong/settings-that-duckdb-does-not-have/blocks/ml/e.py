from sqlflow import block


@block(options={'fillfactor': 70})
def e():
    return []
