"""Headers that every answer carries, so that a browser makes no more of it than it is."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

SECURITY = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
LOCKED = "default-src 'none'; frame-ancestors 'none'"
"""For everything but the pages of documentation, which load scripts."""
_PAGES = frozenset({"/docs", "/redoc"})
_RAW = [(name.lower().encode(), value.encode()) for name, value in SECURITY.items()]
_RAW_LOCKED = (b"content-security-policy", LOCKED.encode())


class Secured:
    """ASGI middleware that adds them."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and add to the start of its answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        added = _RAW if scope["path"] in _PAGES else [*_RAW, _RAW_LOCKED]

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *added]
            await send(message)

        await self._app(scope, receive, with_headers)
