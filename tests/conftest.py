"""Fixtures for every test. Those of one tier stand in its own conftest.py."""

from collections.abc import Callable
from typing import Any

import pytest

from hornbeam.testing import waiting


@pytest.fixture(scope="session")
def wait_until() -> Callable[..., Any]:
    """`hornbeam.testing.waiting.wait_until`."""
    return waiting.wait_until
