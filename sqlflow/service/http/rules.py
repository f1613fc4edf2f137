"""What a request must be like before anything is done for it: pure checks of its head, from cheap to dear.

Each check returns nothing, or raises Refused. They run before routing, so that no endpoint can forget one.
"""

import re
from collections.abc import Iterable
from ipaddress import ip_address
from typing import Any

from msgspec import Struct

from sqlflow.service.http.limits import Limits
from sqlflow.service.http.problems import Refused

API = "/api/v1/"
PUBLIC = frozenset({"/", "/healthz"})
"""What is answered without a token: it says nothing of the project."""
OUTSIDE = frozenset({*PUBLIC, "/metrics"})
"""What is answered outside of `/api/v1/`."""
WEBHOOKS = "/api/v1/webhooks/"
READING = frozenset({"GET", "HEAD"})
LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})
ANY_ADDRESS = "an address"
"""Among hosts: whatever is written as a number. No name that was pointed elsewhere can look like that."""
_HOST = re.compile(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")
_TRICK = re.compile(
    r"//|/\.\.?(?=/|$)|\\|%(?:2e|2f|5c|25|0[0-9a-f]|1[0-9a-f]|7f)|[^\x21-\x7e]|%(?![0-9a-f]{2})", re.IGNORECASE
)
_OVERRIDES = ("x-http-method-override", "x-http-method", "x-method-override")
_SEEN_BY_LOGS = ("token", "access_token", "api_key", "key", "authorization")


class Head(Struct, frozen=True):
    """A request without its body. `path` is as it was sent, percent signs included; names of headers are lower case."""

    method: str
    path: str
    query: str
    headers: tuple[tuple[str, str], ...]
    address: str

    @classmethod
    def of(cls, scope: dict[str, Any]) -> "Head":
        """Return the head of an ASGI request."""
        headers = tuple((name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in scope["headers"])
        path = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1")
        client = scope.get("client") or ("", 0)
        return cls(scope["method"], path, scope["query_string"].decode("latin-1"), headers, client[0])

    def values(self, name: str) -> list[str]:
        """Return the values of a header, in order; none if it was not sent."""
        return [value for key, value in self.headers if key == name]

    def value(self, name: str) -> str:
        """Return the value of a header that may be sent once; an empty text if it was not sent."""
        found = self.values(name)
        if len(found) > 1:
            raise Refused(400, f"the header `{name}` was sent {len(found)} times")
        return found[0] if found else ""

    @property
    def has_body(self) -> bool:
        return bool(self.values("transfer-encoding")) or self.value("content-length") not in ("", "0")


def check(head: Head, hosts: Iterable[str], limits: Limits) -> None:
    """Raise Refused for a head that no good client of this service sends. `hosts` are names without a port."""
    check_size(head, limits)
    check_form(head)
    check_host(head, hosts)
    check_path(head, limits)
    check_origin(head)
    check_body(head, limits)


def check_size(head: Head, limits: Limits) -> None:
    """Refuse heads that are too large (431), and paths that are too long (414)."""
    if len(head.headers) > limits.headers:
        raise Refused(431, f"more than {limits.headers} headers")
    if sum(len(name) + len(value) + 4 for name, value in head.headers) > limits.head_bytes:
        raise Refused(431, f"more than {limits.head_bytes} bytes of headers")
    if len(head.path) + len(head.query) > limits.path_bytes:
        raise Refused(414, f"the path and its query are longer than {limits.path_bytes} bytes")


def check_form(head: Head) -> None:
    """Refuse what two servers in a row could read in two ways (400), and what wants another protocol (400)."""
    if head.values("transfer-encoding") and head.values("content-length"):
        raise Refused(400, "both `Content-Length` and `Transfer-Encoding` were sent")
    if head.value("transfer-encoding").lower() not in ("", "chunked"):
        raise Refused(400, "the one `Transfer-Encoding` that is taken is `chunked`")
    if head.values("upgrade"):
        raise Refused(400, "there is no other protocol to upgrade to")
    for name in _OVERRIDES:
        if head.values(name):
            raise Refused(400, f"`{name}` is not taken: send the method itself")
    for _, value in head.headers:
        if any((character < " " and character != "\t") or character == "\x7f" for character in value):
            raise Refused(400, "a header holds a control character")


def check_host(head: Head, hosts: Iterable[str]) -> None:
    """Refuse hosts that are not in the closed list (421): a name of somebody else that was pointed at this address."""
    host = head.value("host")
    if not host:
        raise Refused(400, "the header `Host` is missing")
    found = _HOST.fullmatch(host)
    if found is None:
        raise Refused(400, "the header `Host` is no host")
    known = set(hosts)
    if found[1].lower() not in known and not (ANY_ADDRESS in known and is_address(found[1])):
        raise Refused(421, "the service is not known by this host name; `--allow-host` adds one")


def is_address(host: str) -> bool:
    """Tell whether a host is written as a number.

    >>> is_address("192.168.1.7"), is_address("[fe80::1]"), is_address("etl.example")
    (True, True, False)
    """
    try:
        ip_address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True


def check_path(head: Head, limits: Limits) -> None:
    """Refuse paths with tricks in them, and those outside of the API (404). No path reaches the file system at all."""
    if not head.path.startswith("/"):
        raise Refused(400, "the request's target is no path")
    inside = head.path.startswith(API) or head.path in OUTSIDE
    if not inside or _TRICK.search(head.path):
        raise Refused(404, "there is no such path")
    names = {part.partition("=")[0].lower() for part in head.query.split("&")}
    if names.intersection(_SEEN_BY_LOGS):
        raise Refused(
            401, "a token is never taken from the URL, where logs would keep it; send `Authorization: Bearer`"
        )


def check_origin(head: Head) -> None:
    """Refuse what a page of another site has sent (403).

    Browsers send `Origin` with everything but plain navigation, and `Sec-Fetch-Site` with everything.
    """
    host, origin = head.value("host").lower(), head.value("origin").lower()
    if head.values("origin") and origin not in (f"http://{host}", f"https://{host}"):
        raise Refused(403, "the origin is another site")
    if head.value("sec-fetch-site").lower() not in ("", "none", "same-origin"):
        raise Refused(403, "the request comes from another site's page: its origin is not this service")


def check_body(head: Head, limits: Limits) -> None:
    """Refuse lengths that are none (400), bodies that are compressed (415) or too long ones (413), and what is not JSON (415)."""
    length = head.value("content-length")
    if length and not (length.isascii() and length.isdigit()):
        raise Refused(400, "`Content-Length` is no number")
    if head.value("content-encoding").lower() not in ("", "identity"):
        raise Refused(415, "compressed bodies are not taken")
    if length and (len(length) > 12 or int(length) > limits.body_bytes):
        raise Refused(413, f"the body is longer than {limits.body_bytes} bytes")
    kind = head.value("content-type").partition(";")[0].strip().lower()
    if head.method == "POST" and kind != "application/json" and (head.has_body or kind):
        raise Refused(415, "the one content type that is taken is `application/json`")
