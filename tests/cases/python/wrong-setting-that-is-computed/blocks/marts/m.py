import os

from sqlflow import block

TAGS = ["daily"]


@block(tags=TAGS, description=f"built by {os.name}", timeout=60 * 5)
def m(orders):
    return orders
