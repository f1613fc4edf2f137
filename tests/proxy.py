"""A server in front of Postgres that cuts a connection once: at what the client says, or after so many bytes."""

import select
import socket
import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType

_BYTES = 1 << 16


class Proxy:
    """Passes bytes on to a server's socket. `marks` are what clients must have said, in order, to cut what says the last.

    What was said is passed on, and the answer is not. `bytes_left` is how many bytes are passed on, both ways and of all
    connections, before one is cut.
    """

    def __init__(self, server: Path, folder: Path) -> None:
        self.server = server
        self.socket = folder / server.name
        self.marks: list[bytes] = []
        self.bytes_left: int | None = None
        self.passed = 0
        self._listening = socket.socket(socket.AF_UNIX)
        self._counting = threading.Lock()
        self._listening.bind(str(self.socket))
        self._listening.listen()
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> "Proxy":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._pass, args=(client,), daemon=True).start()

    def _pass(self, client: socket.socket) -> None:
        with client, socket.socket(socket.AF_UNIX) as server:
            server.connect(str(self.server))
            while True:
                for ready in select.select([client, server], [], [])[0]:
                    data = ready.recv(_BYTES)
                    if not data:
                        return
                    if (allowed := self._allowed(len(data))) < len(data):
                        (server if ready is client else client).sendall(data[:allowed])
                        return
                    (server if ready is client else client).sendall(data)
                    if ready is client and self.marks and self.marks[0] in data:
                        self.marks.pop(0)
                        if not self.marks:
                            server.recv(_BYTES)  # the server has done it, and nobody is told
                            return

    def _allowed(self, size: int) -> int:
        """Return how many of so many bytes are passed on; fewer than all of them once."""
        with self._counting:
            if self.bytes_left is None or size <= self.bytes_left:
                self.passed += size
                self.bytes_left = None if self.bytes_left is None else self.bytes_left - size
                return size
            allowed, self.bytes_left = self.bytes_left, None
            return allowed
