"""An https server on loopback that answers with the bytes it is told to, and remembers what it was asked."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.integration.certificates import Authority

NAME = "data.example.org"

Answer = Callable[[ssl.SSLSocket], None]


@dataclass
class SourceServer:
    """What runs, and what it has seen."""

    port: int
    authority: Authority
    answer: Answer = lambda connection: None
    requests: list[bytes] = field(default_factory=list)
    names: list[str | None] = field(default_factory=list)
    """That clients wanted a certificate for."""
    closing: threading.Event = field(default_factory=threading.Event)

    def says(self, *pieces: bytes) -> None:
        """Answer with these bytes, and close the connection."""
        self.answer = lambda connection: connection.sendall(b"".join(pieces))

    def gives(self, content: bytes, *headers: bytes) -> None:
        """Answer with a file."""
        self.says(
            b"HTTP/1.1 200 OK\r\n", *(b"%b\r\n" % header for header in (*headers, _length(content))), b"\r\n", content
        )

    def handle(self, connection: socket.socket, context: ssl.SSLContext) -> None:
        # A client that goes away early is what some tests are about.
        with contextlib.suppress(OSError), context.wrap_socket(connection, server_side=True) as secured:
            asked = b""
            while b"\r\n\r\n" not in asked and (piece := secured.recv(65536)):
                asked += piece
            self.requests.append(asked)
            self.answer(secured)
            secured.unwrap()


def _length(content: bytes) -> bytes:
    return b"Content-Length: %d" % len(content)


@contextlib.contextmanager
def source_server(directory: Path, names: tuple[str, ...] = (NAME,)) -> Iterator[SourceServer]:
    """A server whose certificate is for these names."""
    authority = Authority()
    context = authority.serving(names, directory)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = SourceServer(listener.getsockname()[1], authority)
        context.sni_callback = lambda _, name, __: server.names.append(name)
        accepting = threading.Thread(target=_accept, args=(listener, server, context))
        accepting.start()
        try:
            yield server
        finally:
            server.closing.set()
            socket.create_connection(listener.getsockname()).close()
            accepting.join(10)


def _accept(listener: socket.socket, server: SourceServer, context: ssl.SSLContext) -> None:
    threads = []
    while not server.closing.is_set():
        connection, _ = listener.accept()
        connection.settimeout(10)
        threads.append(threading.Thread(target=server.handle, args=(connection, context)))
        threads[-1].start()
    for thread in threads:
        thread.join(10)
