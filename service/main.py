"""Where uvicorn begins: `uvicorn --factory service.main:create_app`."""

import gc
from functools import partial

from fastapi import FastAPI

from hornbeam.environment import settings_or_exit
from service.app import build_app
from service.parts import open_parts


def create_app() -> FastAPI:
    """The application, as the `HORNBEAM_*` variables set it up."""
    settings = settings_or_exit()
    app = build_app(partial(open_parts, settings), allowed_hosts=settings.allowed_hosts)
    # What is loaded by now lives as long as the process. Not looking through it for garbage makes a sixth of the speed.
    gc.freeze()
    return app
