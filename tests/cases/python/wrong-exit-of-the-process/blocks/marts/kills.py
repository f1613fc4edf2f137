import os
import signal

from sqlflow import block


@block
def kills(orders):
    os.kill(os.getpid(), signal.SIGKILL)
