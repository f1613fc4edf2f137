from sqlflow import block


@block(materialize="incremental", strategy="merge", key=["id"])
def merges(given):
    return given
