"""Signed webhooks, as Standard Webhooks 1.0 has them: an id, the time, and an HMAC-SHA256 over both and the body.

    webhook-id: msg_1                        told once: a second one with the same id is refused
    webhook-timestamp: 1767225600            seconds since 1970; five minutes from now at most
    webhook-signature: v1,<base64>           HMAC of `id.timestamp.body`; several may stand there, with blanks between

A secret that begins with `whsec_` is the key in base64, any other is the key itself.
"""

import base64
import binascii
import hmac
import re
from datetime import datetime

from msgspec import Struct

from sqlflow.service.http.problems import Refused
from sqlflow.service.http.rules import Head

WINDOW_SECONDS = 300
_ID = re.compile(r"[\x21-\x7e]{1,128}")
_TIME = re.compile(r"[0-9]{1,12}")


class Signed(Struct, frozen=True):
    """What a webhook's headers say."""

    id: str
    timestamp: str
    signatures: tuple[str, ...]


def signed(head: Head, now: datetime) -> Signed:
    """Return a webhook's headers. Raise Refused (401) if one is missing, wrong, or too old to be taken."""
    name, timestamp = head.value("webhook-id"), head.value("webhook-timestamp")
    signatures = tuple(head.value("webhook-signature").split())
    if not (_ID.fullmatch(name) and _TIME.fullmatch(timestamp) and signatures):
        raise Refused(401, "`webhook-id`, `webhook-timestamp` and `webhook-signature` must be sent")
    if abs(now.timestamp() - int(timestamp)) > WINDOW_SECONDS:
        raise Refused(
            401, f"too old, or from the future: `webhook-timestamp` is not within {WINDOW_SECONDS} seconds of now"
        )
    return Signed(name, timestamp, signatures)


def signature(secret: str, name: str, timestamp: str, body: bytes) -> str:
    """Return what `webhook-signature` must say.

    >>> secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    >>> signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", b'{"test": 2432232314}')
    'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE='
    """
    content = f"{name}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(_key(secret), content, "sha256")).decode()


def is_signed(headers: Signed, secret: str, body: bytes) -> bool:
    """Tell whether one of the signatures is right, in a time that does not tell how near a wrong one was."""
    right = signature(secret, headers.id, headers.timestamp, body)
    found = [hmac.compare_digest(right.encode(), given.encode("latin-1", "replace")) for given in headers.signatures]
    return any(found)


def _key(secret: str) -> bytes:
    if secret.startswith("whsec_"):
        try:
            return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
        except binascii.Error:
            return secret.encode()
    return secret.encode()
