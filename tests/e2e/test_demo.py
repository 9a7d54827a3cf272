"""`hornbeam demo`, as CI and a new user run it."""

import json
import re
import subprocess
import zipfile
from pathlib import Path

import pytest

from tests.e2e import stacks

pytestmark = pytest.mark.e2e


@pytest.mark.timeout(400)
def test_the_demo_trains_a_model_and_leaves_it(tmp_path: Path):
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    ran = subprocess.run(
        [stacks.COMMAND, "demo"],
        # The demo has nothing to do with an installation that these describe.
        env={**stacks.environment(), "HORNBEAM_DATABASE_URL": "nonsense", "TMPDIR": str(temporary)},
        cwd=tmp_path, capture_output=True, text=True, timeout=360, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ran.stderr == ""

    saved = tmp_path / "hornbeam-demo"
    assert zipfile.is_zipfile(saved / "model.keras")
    assert (saved / "curves.png").read_bytes().startswith(b"\x89PNG")
    history = json.loads((saved / "history.json").read_text())
    assert f"{max(history['metrics']['val_accuracy']):.4f}" in ran.stdout

    measured = re.search(r"accuracy (0\.\d+) on the 360 digits that it never saw", ran.stdout)
    assert measured is not None
    assert float(measured[1]) > 0.95
    assert not list(temporary.glob("hornbeam-demo-*")), "the data directory is gone"

    lines = ran.stdout.splitlines()
    assert all(line.isprintable() and len(line) <= 100 for line in lines)
    assert sum(line.startswith("epoch ") for line in lines) == len(history["epochs"]) + 1, "a line each, and the table"
