"""How much a caller may take of the service: bytes, seconds, connections and requests."""

from collections import OrderedDict
from dataclasses import dataclass, field

from msgspec import Struct

CALLERS_REMEMBERED = 10_000
"""Of how many addresses rates are known: a flood from more of them forgets the oldest, and takes no more memory."""


class Limits(Struct, frozen=True):
    """`head` is the request line with the headers; a `stream` is an answer that goes on until the run has ended."""

    head_bytes: int = 16 << 10
    headers: int = 100
    path_bytes: int = 2 << 10
    head_seconds: float = 10
    body_bytes: int = 1 << 20
    body_seconds: float = 30
    send_seconds: float = 30
    idle_seconds: float = 5
    connections: int = 200
    streams: int = 100
    requests_per_second: float = 50
    burst: float = 200
    wrong_tokens_per_minute: float = 10


@dataclass(slots=True)
class Rate:
    """A bucket of `burst` requests for each address, filled again by `per_second`.

    >>> rate = Rate(per_second=1, burst=2)
    >>> [rate.takes("10.0.0.1", now=0), rate.takes("10.0.0.1", now=0), rate.takes("10.0.0.1", now=0.5)]
    [True, True, False]
    >>> rate.takes("10.0.0.1", now=1.5), rate.takes("10.0.0.2", now=1.5)
    (True, True)
    """

    per_second: float
    burst: float
    _left: OrderedDict[str, tuple[float, float]] = field(default_factory=OrderedDict)

    def takes(self, address: str, now: float) -> bool:
        """Tell whether one more request of the address is within the rate, and count it if so. `now` is in seconds."""
        left, since = self._left.pop(address, (self.burst, now))
        left = min(self.burst, left + max(0.0, now - since) * self.per_second)
        within = left >= 1
        self._left[address] = (left - 1 if within else left, now)
        if len(self._left) > CALLERS_REMEMBERED:
            self._left.popitem(last=False)
        return within
