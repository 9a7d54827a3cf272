"""Fixtures for tests of whole workers. What they hand out is in `installations`."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.workers.installations import QUICK, Installation, open_in

OpenInstallation = Callable[..., Installation]


@pytest.fixture
def open_installation() -> Iterator[OpenInstallation]:
    """Opens an installation; settings that are named replace the quick ones."""
    with ExitStack() as stack:

        def open_one(**settings: Any) -> Installation:
            # Not pytest's: the path of a socket holds 107 bytes.
            directory = Path(tempfile.mkdtemp(prefix="hb-"))
            stack.callback(shutil.rmtree, directory)
            installation = open_in(directory, {**QUICK, **settings})
            stack.callback(installation.close)
            return installation

        yield open_one


@pytest.fixture
def installation(open_installation: OpenInstallation) -> Installation:
    """An installation with quick settings."""
    return open_installation()
