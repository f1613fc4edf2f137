"""uvicorn's server without its clock: it sleeps until somebody calls. Its ten ticks a second were most of what a service took that had nothing to do."""

import asyncio
from contextlib import suppress

import uvicorn


class Server(uvicorn.Server):
    """A server that does nothing by itself, and ends when another thread says so. Its protocol tells the date."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._end = asyncio.Event()

    async def main_loop(self) -> None:
        self._loop = asyncio.get_running_loop()
        if not self.should_exit:
            await self._end.wait()

    def stop(self) -> None:
        """Ask for the end, from any thread."""
        self.should_exit = True
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop has ended by itself
                self._loop.call_soon_threadsafe(self._end.set)
