"""Where uvicorn begins: `uvicorn --factory service.main:create_app`."""

import gc
from functools import partial

from fastapi import FastAPI

from hornbeam.environment import settings_or_exit


def create_app() -> FastAPI:
    """The application, as the `HORNBEAM_*` variables set it up."""
    settings = settings_or_exit()
    # What is loaded by the end of this lives as long as the process. Not looking through it for garbage takes a sixth
    # off the start, and adds a sixth to the speed afterwards.
    gc.disable()
    try:
        from service.app import build_app  # noqa: PLC0415 - see above
        from service.parts import open_parts  # noqa: PLC0415

        app = build_app(partial(open_parts, settings), allowed_hosts=settings.allowed_hosts)
        gc.freeze()
    finally:
        gc.enable()
    return app
