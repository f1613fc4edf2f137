from sqlflow import block


@block(materialize="snapshot", key="id", check="all")
def f():
    return []
