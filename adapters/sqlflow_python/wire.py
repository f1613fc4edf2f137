"""The language that a worker and its process speak over a socket: frames of one letter, a length and a payload.

From the run to the process: `c` a call, `a` the file that answers a question, `f` why it cannot be answered.
From the process: `s` the schema of what comes, `b` a batch of it, `q` a question, `d` done, `e` an error. Payloads are
JSON, but for `s` and `b`, which are Arrow messages.
"""

import json
import socket
import struct
from typing import Any

_HEAD = struct.Struct("<cQ")


class Closed(Exception):
    """The other side is gone."""


def send(sock: socket.socket, kind: str, payload: bytes | memoryview) -> None:
    """Send one frame. Raise Closed if nobody is there to read it."""
    view = memoryview(payload)
    try:
        sock.sendall(_HEAD.pack(kind.encode(), view.nbytes))
        sock.sendall(view)
    except OSError as error:
        raise Closed from error


def send_json(sock: socket.socket, kind: str, value: Any) -> None:
    send(sock, kind, json.dumps(value).encode())


def receive(sock: socket.socket) -> tuple[str, bytearray]:
    """Return the kind and the payload of the next frame. Raise Closed at the end of the line."""
    kind, size = _HEAD.unpack(_exactly(sock, _HEAD.size))
    return kind.decode(), _exactly(sock, size)


def _exactly(sock: socket.socket, size: int) -> bytearray:
    data = bytearray(size)
    view, got = memoryview(data), 0
    while got < size:
        try:
            count = sock.recv_into(view[got:], size - got)
        except OSError as error:
            raise Closed from error
        if not count:
            raise Closed
        got += count
    return data
