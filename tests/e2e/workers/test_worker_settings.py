"""A worker that is set up wrongly, as an operator starts it."""

import os
import subprocess
import sys

import pytest

from tests.e2e import stacks

pytestmark = pytest.mark.e2e

COMMAND = [sys.executable, "-m", "celery", "-A", "workers.main", "worker", "--without-gossip", "--without-mingle"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HORNBEAM_SLOTS", "many"),
        ("HORNBEAM_REDIS_URL", "redis://:hunter2@host:port/0"),
        # Of the right form, and noticed where it is opened.
        ("HORNBEAM_DATABASE_URL", "sqlite:////proc/hunter2/jobs.db"),
    ],
)
def test_it_ends_with_the_settings_name_and_no_traceback(tmp_path, name, value):
    ran = subprocess.run(
        [*COMMAND, "-Q", "plan"],
        env={**stacks.environment(), "HORNBEAM_REDIS_URL": f"unix://{tmp_path}/none.sock", name: value},
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ran.returncode == os.EX_CONFIG, ran.stderr
    assert name in ran.stderr
    assert "Traceback" not in ran.stdout + ran.stderr
    assert "hunter2" not in ran.stdout + ran.stderr
