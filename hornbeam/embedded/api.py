"""The API's process in an embedded stack: uvicorn on a socket that our parent has bound.

So the port is known, and taken, before anything starts, and connections wait while the API is started again.
Run as `python -m hornbeam.embedded.api FD`.
"""

import socket
import sys

import uvicorn

APPLICATION = "service.main:create_app"
GRACE_SECONDS = 3
"""What open connections, event streams above all, have to end when the API is asked to stop."""


def main(descriptor: int) -> None:
    """Serve until SIGTERM."""
    config = uvicorn.Config(APPLICATION, factory=True, timeout_graceful_shutdown=GRACE_SECONDS, proxy_headers=False)
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=descriptor)])


if __name__ == "__main__":
    main(int(sys.argv[1]))
