"""Files over https, from servers that keep to the rules and from others; on the loop that uvicorn uses."""

import asyncio
import gzip
import socket
import ssl
from collections.abc import Iterator, Sequence
from contextlib import aclosing

import pytest
import uvloop

from hornbeam.errors import (
    DatasetTooLarge,
    SourcePrivate,
    SourceRedirected,
    SourceStatus,
    SourceUnreachable,
    SourceUnusable,
)
from service.sources.addresses import is_public, resolve
from service.sources.places import WebFile
from service.sources.web import Web
from tests.integration.source_server import NAME, SourceServer, source_server

CONTENT = b"a,b\n1,2\n" * 50_000


def at(*addresses: str):
    """A resolver."""

    async def found(host: str, port: int) -> Sequence[str]:
        asked.append((host, port))
        return addresses

    asked: list[tuple[str, int]] = []
    found.asked = asked
    return found


def on_loopback(address: str) -> bool:
    return address.startswith("127.0.0.") or is_public(address)


@pytest.fixture
def server(tmp_path) -> Iterator[SourceServer]:
    with source_server(tmp_path) as server:
        yield server


def fetch(server: SourceServer, *, name: str = NAME, limit: int = 10**9, seconds: float = 20.0, **more) -> bytes:
    options = {"context": server.authority.trusting(), "resolve": at("127.0.0.1"), "is_public": on_loopback, **more}

    async def taken() -> bytes:
        web = Web(seconds, **options)
        async with web.open(WebFile(name, server.port, "/a/x.csv?token=%20b"), limit=limit) as pieces:
            return b"".join([piece async for piece in pieces])

    return uvloop.run(taken())


def test_a_file_comes_as_it_is(server):
    server.gives(CONTENT)
    assert fetch(server) == CONTENT
    [request] = server.requests
    head, *lines = request.decode().rstrip().split("\r\n")
    assert head == "GET /a/x.csv?token=%20b HTTP/1.1"
    headers = dict(line.lower().split(": ", 1) for line in lines)
    assert headers.pop("host") == f"{NAME}:{server.port}"
    assert headers.pop("user-agent").startswith("hornbeam/")
    assert headers == {"accept": "*/*", "accept-encoding": "identity", "connection": "close"}
    assert server.names == [NAME]


def test_a_name_is_resolved_once(server):
    server.gives(CONTENT)
    resolver = at("127.0.0.1")
    fetch(server, resolve=resolver)
    assert resolver.asked == [(NAME, server.port)]


def test_pieces_without_a_length_have_an_end_of_their_own(server):
    server.says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\na,b\r\n2\r\n\n1\r\n0\r\n\r\n")
    assert fetch(server) == b"a,b\n1"


def test_nothing_of_the_environment_is_used(server, monkeypatch, tmp_path):
    server.gives(CONTENT)
    for variable in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    (tmp_path / ".netrc").write_text(f"machine {NAME} login me password hunter2\nmachine 127.0.0.1 login me password x")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    assert fetch(server) == CONTENT
    assert b"authorization" not in server.requests[0].lower()


def test_another_address_is_tried_where_one_is_dead(server):
    server.gives(CONTENT)
    assert fetch(server, resolve=at("127.0.0.2", "127.0.0.1")) == CONTENT
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308, 300, 304])
def test_a_redirect_is_not_followed(server, status):
    server.says(b"HTTP/1.1 %d X\r\nLocation: https://127.0.0.1/secret\r\nContent-Length: 0\r\n\r\n" % status)
    with pytest.raises(SourceRedirected) as caught:
        fetch(server)
    assert str(status) in caught.value.message
    assert "secret" not in caught.value.message
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [204, 206, 401, 404, 418, 500, 503])
def test_another_status_is_told(server, status):
    server.says(b"HTTP/1.1 %d <b>reason</b>\r\nContent-Length: 0\r\n\r\n" % status)
    with pytest.raises(SourceStatus) as caught:
        fetch(server)
    assert caught.value.message == f"{NAME} answers with {status}."


def test_an_encoded_answer_is_not_undone(server):
    server.gives(gzip.compress(CONTENT), b"Content-Encoding: gzip")
    with pytest.raises(SourceUnusable, match="encodes"):
        fetch(server)


def test_an_answer_whose_end_nobody_knows_is_not_taken(server):
    server.says(b"HTTP/1.0 200 OK\r\n\r\na,b\n1,2\n")
    with pytest.raises(SourceUnusable, match="ends"):
        fetch(server)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\na,b\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\na,b\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\na,b\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\na,b\n",
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 300_000,
    ],
    ids=lambda answer: repr(answer[:60]),
)
def test_an_answer_that_breaks_off_or_is_none(server, answer):
    server.says(answer)
    with pytest.raises(SourceUnreachable, match=NAME) as caught:
        fetch(server)
    assert "127.0.0.1" not in caught.value.message


def test_a_length_that_is_too_large_is_believed(server):
    server.says(b"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n")
    with pytest.raises(DatasetTooLarge):
        fetch(server, limit=1000)


def test_a_server_that_says_nothing_is_given_up(server):
    server.answer = lambda connection: server.closing.wait(10)
    with pytest.raises(SourceUnreachable, match=r"0\.3 seconds"):
        fetch(server, seconds=0.3)


def test_so_is_one_that_stops(server):
    def stop(connection: ssl.SSLSocket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\na,b")
        server.closing.wait(10)

    server.answer = stop
    with pytest.raises(SourceUnreachable, match=r"0\.5 seconds"):
        fetch(server, seconds=0.5)


def test_and_one_that_goes_on_for_ever(server):
    def trickle(connection: ssl.SSLSocket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while not server.closing.wait(0.02):
            connection.sendall(b"1\r\nx\r\n")

    server.answer = trickle
    with pytest.raises(SourceUnreachable, match=r"0\.5 seconds"):
        fetch(server, seconds=0.5)


def test_a_certificate_for_another_name_is_none(server):
    with pytest.raises(SourceUnreachable, match="certificate"):
        fetch(server, name="other.example.org")
    assert server.requests == []


def test_nor_is_one_of_an_authority_that_nobody_knows(server):
    with pytest.raises(SourceUnreachable, match="certificate"):
        fetch(server, context=None)
    assert server.requests == []


def test_what_is_not_tls_is_told(tmp_path, server):
    with socket.create_server(("127.0.0.1", 0)) as plain:
        port, server.port = server.port, plain.getsockname()[1]

        def hello() -> None:
            connection, _ = plain.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                connection.recv(4096)

        async def both() -> None:
            web = Web(10, context=server.authority.trusting(), resolve=at("127.0.0.1"), is_public=on_loopback)
            greeting = asyncio.create_task(asyncio.to_thread(hello))
            try:
                async with web.open(WebFile(NAME, server.port, "/"), limit=10):
                    pass
            finally:
                await greeting

        with pytest.raises(SourceUnreachable, match="TLS"):
            uvloop.run(both())
        server.port = port


def test_nobody_listens(server):
    with pytest.raises(SourceUnreachable, match="cannot be connected to"):
        fetch(server, resolve=at("127.0.0.3"))


@pytest.mark.parametrize(
    "addresses",
    [
        ("127.0.0.1",),
        ("10.0.0.1",),
        ("169.254.169.254",),
        ("::1",),
        ("::ffff:127.0.0.1",),
        ("64:ff9b::7f00:1",),
        ("1.1.1.1", "127.0.0.1"),
        ("1.1.1.1", "2606:4700::1111", "1.0.0.1", "8.8.8.8", "9.9.9.9", "10.1.2.3"),
    ],
    ids=repr,
)
def test_a_name_that_leads_inside_is_refused_before_anything_is_connected_to(server, addresses):
    with pytest.raises(SourcePrivate) as caught:
        fetch(server, resolve=at(*addresses), is_public=is_public)
    assert caught.value.message == f"{NAME} has an address that is not public."
    assert server.requests == server.names == []


def test_the_real_resolver_and_the_real_rule_together(server):
    with pytest.raises(SourcePrivate):
        fetch(server, name="localhost", resolve=resolve, is_public=is_public)


def test_a_name_that_leads_nowhere(server):
    async def unknown(host: str, port: int) -> Sequence[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    for resolver in (unknown, at()):
        with pytest.raises(SourceUnreachable, match="No address is known"):
            fetch(server, resolve=resolver)


def test_who_has_enough_may_stop(server):
    server.gives(CONTENT)

    async def some() -> bytes:
        web = Web(10, context=server.authority.trusting(), resolve=at("127.0.0.1"), is_public=on_loopback)
        async with web.open(WebFile(NAME, server.port, "/"), limit=10**9) as pieces, aclosing(pieces):
            return await anext(pieces)

    assert CONTENT.startswith(uvloop.run(some()))
