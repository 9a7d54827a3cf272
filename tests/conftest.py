"""Fixtures for every test. Those of one tier stand in its own conftest.py."""

import os
from collections.abc import Callable
from typing import Any

import pytest

# What commands print must not depend on who runs the tests: a worker of pytest-xdist's has a width.
os.environ.pop("COLUMNS", None)

pytest.register_assert_rewrite("hornbeam.testing.stores", "hornbeam.testing.artifacts")

from hornbeam.testing import waiting  # noqa: E402 - after the registration


@pytest.fixture(scope="session")
def wait_until() -> Callable[..., Any]:
    """`hornbeam.testing.waiting.wait_until`."""
    return waiting.wait_until
