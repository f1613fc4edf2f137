import os

from sqlflow import block


@block
def quits(orders):
    print("about to go")
    os._exit(0)
