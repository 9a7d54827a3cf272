"""Fetches one file over https: from an address that was looked at, under a certificate for the name, and no further.

The name is resolved once, and what is connected to is the address that came out. Nothing of the environment is used: no
proxy, no credentials, no cookies. Errors tell the name, which the client gave, and never an address. Leaves counting
and hashing to `service.receiving`.
"""

import asyncio
import ssl
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager, contextmanager
from http import HTTPStatus

import httpx

import hornbeam
from hornbeam.errors import SourcePrivate, SourceRedirected, SourceStatus, SourceUnreachable, SourceUnusable
from service.receiving import SILENT_SECONDS, paced, too_large
from service.sources.addresses import IsPublic, Resolve, is_public, resolve
from service.sources.places import HTTPS, WebFile

CONNECT_SECONDS = 10.0
"""For each address."""
_MOST_ADDRESSES = 4
"""Of one host that are tried."""
_HEADERS = {"User-Agent": f"hornbeam/{hornbeam.__version__}", "Accept-Encoding": "identity", "Connection": "close"}


class Web:
    """Fetches files from hosts. For one event loop.

    Args:
        seconds: What a fetch may take, all in all.
        context: Whose certificates count; those of the public authorities, as httpx ships them, where it is left out.
        resolve: Where names lead.
        is_public: Which addresses may be connected to.
    """

    def __init__(
        self,
        seconds: float,
        *,
        context: ssl.SSLContext | None = None,
        resolve: Resolve = resolve,
        is_public: IsPublic = is_public,
    ) -> None:
        self._seconds = seconds
        self._context = context or httpx.create_ssl_context(trust_env=False)
        self._resolve = resolve
        self._is_public = is_public

    @asynccontextmanager
    async def open(self, file: WebFile, *, limit: int) -> AsyncIterator[AsyncIterator[bytes]]:
        """The pieces of a file, once its host has said that it has it.

        Raises:
            SourcePrivate: An address of the host is not public.
            SourceUnreachable: It does not answer, or not in time; also while the pieces come.
            SourceRedirected, SourceStatus, SourceUnusable: It answers with something else than the file.
            DatasetTooLarge: It says itself that the file has more than `limit` bytes.
        """
        deadline = time.monotonic() + self._seconds
        async with self._client() as http:
            with self._told(file):
                async with asyncio.timeout(self._seconds):
                    response = await self._ask(http, file, await self._addresses(file))
            try:
                _check(file, response, limit)
                async with aclosing(self._pieces(file, response, deadline)) as pieces:
                    yield pieces
            finally:
                await response.aclose()

    def _client(self) -> httpx.AsyncClient:
        timeout = httpx.Timeout(SILENT_SECONDS, connect=CONNECT_SECONDS)
        return httpx.AsyncClient(
            verify=self._context, trust_env=False, follow_redirects=False, timeout=timeout, headers=_HEADERS
        )

    async def _addresses(self, file: WebFile) -> Sequence[str]:
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                addresses = await self._resolve(file.host, file.port)
        except OSError:  # TimeoutError is one
            addresses = ()
        if not addresses:
            raise SourceUnreachable(f"No address is known of {file.host}.")
        if not all(map(self._is_public, addresses)):
            raise SourcePrivate(f"{file.host} has an address that is not public.")
        return addresses[:_MOST_ADDRESSES]

    async def _ask(self, http: httpx.AsyncClient, file: WebFile, addresses: Sequence[str]) -> httpx.Response:
        """The answer of the first address that can be connected to."""
        for address in addresses[:-1]:
            try:
                return await http.send(_request(http, file, address), stream=True)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue
        return await http.send(_request(http, file, addresses[-1]), stream=True)

    async def _pieces(self, file: WebFile, response: httpx.Response, deadline: float) -> AsyncGenerator[bytes, None]:
        pieces = paced(response.aiter_raw(), deadline)
        while True:
            with self._told(file):
                piece = await anext(pieces, None)
            if piece is None:
                return
            yield piece

    @contextmanager
    def _told(self, file: WebFile) -> Iterator[None]:
        """The network's errors in our words."""
        try:
            yield
        except TimeoutError:
            raise SourceUnreachable(
                f"{file.host} did not send the file within {self._seconds:g} seconds, or stopped sending."
            ) from None
        except httpx.TimeoutException:
            raise SourceUnreachable(f"{file.host} does not answer.") from None
        except httpx.ConnectError as error:
            raise SourceUnreachable(f"{file.host} {_why(error)}.") from None
        except httpx.HTTPError:
            raise SourceUnreachable(f"The connection to {file.host} broke off.") from None


def _request(http: httpx.AsyncClient, file: WebFile, address: str) -> httpx.Request:
    """What is asked of an address: the certificate, and the `Host`, are the name's."""
    host = file.host if file.port == HTTPS else f"{file.host}:{file.port}"
    url = httpx.URL(scheme="https", host=address, port=file.port, raw_path=file.target.encode())
    return http.build_request("GET", url, headers={"Host": host}, extensions={"sni_hostname": file.host})


def _check(file: WebFile, response: httpx.Response, limit: int) -> None:
    """Raise what `Web.open` raises for an answer that is not the file."""
    if 300 <= response.status_code < 400:
        raise SourceRedirected(
            f"{file.host} answers with a redirect ({response.status_code}), which is not followed.",
            suggestion="Name the URL that it leads to.",
        )
    if response.status_code != HTTPStatus.OK:
        raise SourceStatus(f"{file.host} answers with {response.status_code}.")
    if response.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise SourceUnusable(f"{file.host} encodes the file, although it was asked not to (Content-Encoding).")
    length = response.headers.get("content-length", "")
    if not length and "transfer-encoding" not in response.headers:
        raise SourceUnusable(f"{file.host} does not say where the file ends: nobody could tell whether all of it came.")
    if length.isdecimal() and int(length) > limit:
        raise too_large(limit)


def _why(error: BaseException) -> str:
    """Why no connection came about: httpx keeps the reason in what its error came from."""
    found: BaseException | None = error
    while found is not None:
        if isinstance(found, ssl.SSLCertVerificationError):
            return "has no certificate for this name that is valid here"
        if isinstance(found, ssl.SSLError):
            return "does not speak TLS as it should"
        found = found.__cause__ or found.__context__
    return "cannot be connected to"
