"""One connection of a client, as uvicorn has it, with bounds on how slow and large a request is.

uvicorn waits for ever for a request that has begun, and keeps its head whatever its size. The body
is bounded where it is read (service/body.py).
"""

from asyncio import TimerHandle, Transport
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

REQUEST_S = 30.0
"""From the first byte of a request to its last, and from connecting to the first."""
MOST_HEAD_BYTES = 65_536
"""Of the request line and headers; a little more when they come in one piece."""


class Connection(HttpToolsProtocol):
    """uvicorn's connection; closed when a request is late, or its head is too large."""

    _begun = _in_body = False
    _head_bytes = 0
    _too_late: TimerHandle | None = None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """A client connects: it has so long to begin."""
        super().connection_made(transport)
        self._await_request()

    def connection_lost(self, exc: Exception | None) -> None:
        """A client is gone."""
        self._await_nothing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Part of a request, a request or several."""
        super().data_received(data)
        if not self._begun:
            self._await_nothing()
        elif self._too_late is None:
            self._await_request()
        if self._begun and not self._in_body:
            self._head_bytes += len(data)
            if self._head_bytes > MOST_HEAD_BYTES and not self.transport.is_closing():
                self.send_400_response("The head of the request is too large.")

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        self._begun, self._in_body, self._head_bytes = True, False, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The last byte of its head."""
        self._in_body = True
        super().on_headers_complete()

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header; what comes after a body is nothing that we read."""
        if not self._in_body:
            super().on_header(name, value)

    def on_message_complete(self) -> None:
        """The last byte of a request."""
        self._begun = False
        super().on_message_complete()

    def _await_request(self) -> None:
        loop: Any = self.loop
        self._too_late = loop.call_later(REQUEST_S, self._close)

    def _await_nothing(self) -> None:
        if self._too_late is not None:
            self._too_late.cancel()
            self._too_late = None

    def _close(self) -> None:
        self._too_late = None
        if not self.transport.is_closing():
            self.transport.close()
