"""HTTP/1.1 with limits that uvicorn does not have: seconds for a request's head, and a number of connections.

A page in one browser uses at most six connections; a socket that sends nothing holds memory and a file descriptor.
"""

import asyncio
from typing import ClassVar

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from headway.web.errors import ApiError, error_response
from headway.web.security import HEADERS

HEAD_SECONDS = 10.0  # from the first byte awaited to the end of the head
MOST_CONNECTIONS = 512


class LimitedProtocol(H11Protocol):
    """One connection. `waiting` holds those of the process whose request's head is not there yet, oldest first."""

    waiting: ClassVar[dict["LimitedProtocol", asyncio.TimerHandle]] = {}

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._await_head()
        if len(self.connections) > MOST_CONNECTIONS and self.waiting:
            next(iter(self.waiting))._give_up()  # the oldest that has asked for nothing makes room

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        before = self.cycle
        if self not in self.waiting and (before is None or before.response_complete):
            self._await_head()  # the next request on a kept connection begins
        super().data_received(data)
        if self.cycle is not before:
            self._stop_waiting()

    def send_400_response(self, msg: str) -> None:
        response = error_response(ApiError(400, msg))
        head = [*response.raw_headers, *HEADERS, (b"connection", b"close")]
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            event = h11.Response(status_code=400, headers=head, reason=b"Bad Request")
            for part in (event, h11.Data(data=bytes(response.body)), h11.EndOfMessage()):
                self.transport.write(self.conn.send(part) or b"")
        self.transport.close()

    def _await_head(self) -> None:
        self.waiting[self] = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _stop_waiting(self) -> None:
        if timer := self.waiting.pop(self, None):
            timer.cancel()

    def _give_up(self) -> None:
        self._stop_waiting()
        if not self.transport.is_closing():
            self.transport.abort()
