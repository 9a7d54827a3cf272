"""A client that is the same for whatever it measures: connections that send one request after the other, and count."""

import asyncio
import itertools
import re
import time
from collections.abc import Iterator, Sequence

import uvloop

_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)", re.IGNORECASE)
_WARM_SECONDS = 0.3


def get(path: str) -> bytes:
    """A request for a path."""
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n\r\n".encode()


def post(path: str, body: bytes) -> bytes:
    """A request with a body of JSON."""
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    return head.encode() + b"\r\n\r\n" + body


Requests = Sequence[Sequence[bytes]]
"""For each connection what it sends in turns."""


def answers_per_second(socket: str, requests: Requests, status: int, seconds: float) -> float:
    """How many answers come over a Unix socket."""
    return uvloop.run(_answers_per_second(socket, requests, status, seconds))


async def _answers_per_second(socket: str, requests: Requests, status: int, seconds: float) -> float:
    loop = asyncio.get_running_loop()
    connections = [_Connection(itertools.cycle(own), status) for own in requests]
    for connection in connections:
        await loop.create_unix_connection(lambda here=connection: here, socket)  # type: ignore[misc]
    await asyncio.sleep(_WARM_SECONDS)
    before, began = sum(connection.answers for connection in connections), time.perf_counter()
    await asyncio.sleep(seconds)
    rate = (sum(connection.answers for connection in connections) - before) / (time.perf_counter() - began)
    await asyncio.gather(*(connection.finish() for connection in connections))
    return rate


class _Connection(asyncio.Protocol):
    def __init__(self, requests: Iterator[bytes], status: int) -> None:
        self.answers = 0
        self._requests = requests
        self._expected = f"HTTP/1.1 {status} ".encode()
        self._received = b""
        self._is_over = False
        self._finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def finish(self) -> None:
        """Send nothing more, and return when the last answer is there."""
        self._is_over = True
        await self._finished

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]
        self._transport.write(next(self._requests))

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._finished.done():
            self._finished.set_exception(exc or ConnectionError("the server closed the connection"))

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if not end or length is None or len(body) < int(length[1]):
            return
        if not head.startswith(self._expected):
            self._finished.set_exception(RuntimeError(f"unexpected answer: {self._received[:500]!r}"))
            self._is_over = True
            return
        self._received = b""
        self.answers += 1
        if not self._is_over:
            self._transport.write(next(self._requests))
        elif not self._finished.done():
            self._finished.set_result(None)
            self._transport.close()
