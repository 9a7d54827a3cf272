"""Refuses what a page of another site has a browser ask.

The service has no accounts: whoever reaches it may use it, and a browser that reaches it brings along every page that
is open in it. Such a page can send what changes something without being allowed to read the answer (a `POST` as a form
sends it), and it can read as well, once its own name leads to our address (DNS rebinding). The first shows by what
browsers say of where a request comes from, as in Go's `http.CrossOriginProtection`; the second by the name that was
asked.
"""

from collections.abc import Collection, Mapping
from http import HTTPStatus

from fastapi import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from hornbeam.settings import ANY_HOST
from service.problems import CODE_OF, ProblemResponse, problem_of

PROBES = frozenset({"/healthz", "/readyz"})
"""What asks these comes by an address that no setting knows, and learns next to nothing."""

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_OUR_OWN = frozenset({b"same-origin", b"none"})
"""A page of ours, and an address that somebody typed. `same-site` is another host or port of the same domain."""

_CROSS_SITE = "A page of another site may not do this."
_MISDIRECTED = "The service does not answer under this name; HORNBEAM_ALLOWED_HOSTS lists those under which it does."


class Guarded:
    """ASGI middleware that answers such requests itself.

    Args:
        app: What answers the others.
        allowed_hosts: As in the settings.
    """

    def __init__(self, app: ASGIApp, allowed_hosts: Collection[str]) -> None:
        self._app = app
        self._hosts = None if ANY_HOST in allowed_hosts else frozenset(host.encode() for host in allowed_hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] == "http" and (self._hosts is not None or scope["method"] not in _SAFE):
            headers = dict(scope["headers"])
            if self._is_misdirected(scope["path"], headers):
                await _refusal(scope, HTTPStatus.MISDIRECTED_REQUEST, _MISDIRECTED)(scope, receive, send)
                return
            if scope["method"] not in _SAFE and _is_cross_site(headers):
                await _refusal(scope, HTTPStatus.FORBIDDEN, _CROSS_SITE)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _is_misdirected(self, path: str, headers: Mapping[bytes, bytes]) -> bool:
        if self._hosts is None or path in PROBES:
            return False
        return _without_port(headers.get(b"host", b"").lower()) not in self._hosts


def _is_cross_site(headers: Mapping[bytes, bytes]) -> bool:
    """What a browser says of itself goes first: a proxy may have changed the `Host`. Other programs say nothing."""
    site = headers.get(b"sec-fetch-site")
    if site is not None:
        return site not in _OUR_OWN
    origin = headers.get(b"origin")
    return origin is not None and origin.partition(b"://")[2].lower() != headers.get(b"host", b"").lower()


def _without_port(host: bytes) -> bytes:
    name, colon, port = host.rpartition(b":")
    return name if colon and (port.isdigit() or not port) else host


def _refusal(scope: Scope, status: HTTPStatus, detail: str) -> ProblemResponse:
    return ProblemResponse(problem_of(Request(scope), status, CODE_OF[status], detail))
