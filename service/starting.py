"""Says in one line why the service can't start, where that is known: Starlette tells its server a traceback."""

import sys

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hornbeam.errors import HornbeamError


class StartedPlainly:
    """ASGI middleware that has the server told our own words when the application's parts can't be opened."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on."""
        if scope["type"] != "lifespan":
            await self._app(scope, receive, send)
            return

        async def plainly(message: Message) -> None:
            error = sys.exception()
            if message["type"] == "lifespan.startup.failed" and isinstance(error, HornbeamError):
                message = {**message, "message": " ".join(filter(None, (error.message, error.suggestion)))}
            await send(message)

        await self._app(scope, receive, plainly)
