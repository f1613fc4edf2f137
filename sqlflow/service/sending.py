"""Sends one message to one URL, in a process of its own: `python -m sqlflow.service.sending`, which reads JSON.

What sends has nothing of the service in its hands: it can hang, crash and leak as it likes. The URL, which is a secret, comes
by standard input, where no list of processes shows it.
"""

import json
import logging
import os
import signal
import subprocess
import sys
from contextlib import suppress

from sqlflow.core.secrets import hide, masked
from sqlflow.service.messages import Message

SECONDS = 30.0
ERROR_CHARACTERS = 300


def sent(url: str, message: Message, seconds: float = SECONDS) -> str:
    """Send a message, and return what went wrong; an empty text if nothing did."""
    process = subprocess.Popen(
        [sys.executable, "-m", "sqlflow.service.sending"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, start_new_session=True, text=True,
    )  # fmt: skip
    try:
        said, _ = process.communicate(json.dumps([url, message.title, message.text]), timeout=seconds)
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return f"no answer within {seconds:g} seconds"
    if process.returncode == 0:
        return ""
    return masked(said.strip())[:ERROR_CHARACTERS] or f"the process that sends ended with {process.returncode}"


def main() -> int:
    """Send what standard input says; print why it could not be sent, and return the exit code."""
    url, title, text = json.load(sys.stdin)
    hide([url])
    try:
        import apprise
    except ImportError:
        print("apprise is not installed: pip install 'sqlflow[serve]'")
        return 1
    said: list[str] = []
    logger = logging.getLogger("apprise")
    logger.setLevel(logging.WARNING)
    logger.addHandler(_Heard(said))
    service = apprise.Apprise()
    if not service.add(url):
        print("Apprise does not know a URL of this form")
        return 1
    if service.notify(body=text, title=title, body_format=apprise.NotifyFormat.TEXT):
        return 0
    print(masked(" ".join(said[:3]) or "the message was not taken"))
    return 1


class _Heard(logging.Handler):
    def __init__(self, said: list[str]) -> None:
        super().__init__()
        self.said = said

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())


if __name__ == "__main__":
    sys.exit(main())
