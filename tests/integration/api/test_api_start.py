"""An API that can't start says why, in words."""

import subprocess
import sys

import pytest

START = [sys.executable, "-m", "uvicorn", "--factory", "service.main:create_app", "--port", "0"]


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("HORNBEAM_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none", "The database cannot be reached"),
        ("HORNBEAM_DATABASE_URL", "sqlite:////proc/none/hornbeam.db", "names a file that cannot be made"),
    ],
)
def test_what_cannot_be_opened_is_told_in_a_line(variable, value, words, tmp_path):
    environment = {"HORNBEAM_DATA_DIR": str(tmp_path), "PATH": "", variable: value}
    ran = subprocess.run(START, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert ran.returncode == 3
    assert words in ran.stderr
    assert "Traceback" not in ran.stderr
