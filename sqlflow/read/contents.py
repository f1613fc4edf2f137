"""Hashes of what files hold, each kept with its file's size and time of change, so that a large file is read once."""

import hashlib
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec
from msgspec import Struct, field

from sqlflow.read.sealed import sealed, unsealed
from sqlflow.read.stamps import settled_stamp, stamp

_CHUNK = 1 << 20
_DIGEST = 16
_Known = tuple[int, int, bytes]
"""A file's size, its time of change in nanoseconds, and the hash of what it held then."""


class Contents(Struct):
    """The hashes of the last time, and those of this time, by path."""

    old: Mapping[str, _Known] = field(default_factory=dict)
    new: dict[str, _Known] = field(default_factory=dict)

    @classmethod
    def decoded(cls, data: bytes) -> "Contents":
        """Return what was kept as `data`; nothing where it is damaged."""
        try:
            return cls(msgspec.msgpack.decode(unsealed(data), type=dict[str, _Known]))
        except msgspec.DecodeError:
            return cls()

    def encoded(self) -> bytes:
        return sealed(msgspec.msgpack.encode(self.new))

    @property
    def is_changed(self) -> bool:
        return self.new != self.old

    def of(self, file: Path) -> bytes:
        """Return the hash of what a file holds: it is read only if it was touched. Raise OSError if it cannot be read."""
        path = str(file)
        known = self.old.get(path)
        if known is not None and stamp(file) == known[:2]:
            self.new[path] = known
            return known[2]
        read_at = time.time_ns()
        content = _hash(file)
        if (settled := settled_stamp(file, read_at)) is not None:
            self.new[path] = (*settled, content)
        return content


def _hash(file: Path) -> bytes:
    content = hashlib.blake2b(digest_size=_DIGEST)
    with file.open("rb") as opened:
        while chunk := opened.read(_CHUNK):
            content.update(chunk)
    return content.digest()
