"""What may not stand in the repository, and what must."""

import re
import tomllib

import pytest

from tests.architecture.sources import ROOT, files

# Put together here, because this file may not name them either.
REGISTRY_HOSTS = tuple(
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("npmjs", "org"),
        ("deb", "debian", "org"),
        ("conda", "anaconda", "org"),
        ("proxy", "golang", "org"),
        ("crates", "io"),
    )
)
FOREIGN_LOCKS = frozenset({"uv.lock", "poetry.lock", "Pipfile.lock", "pdm.lock", "pixi.lock", "conda-lock.yml"})
LARGEST_BYTES = 2 * 2**20

REQUIREMENTS = sorted((ROOT / "requirements").glob("*.txt"))


def test_there_is_one_kind_of_lock():
    """Those of uv and poetry name the host that each file came from."""
    assert [file for file in files() if file.name in FOREIGN_LOCKS] == []


def test_no_registry_host_is_named():
    pattern = re.compile("|".join(map(re.escape, REGISTRY_HOSTS)))
    named = {str(file): found[0] for file in files() if (found := pattern.search(text_of(file)))}
    assert named == {}


def test_no_file_is_large():
    assert [file for file in files() if file.stat().st_size > LARGEST_BYTES] == []


@pytest.mark.parametrize("lock", REQUIREMENTS, ids=lambda lock: lock.name)
def test_every_locked_package_has_a_version_and_hashes(lock):
    entries = re.split(r"\n(?=\S)", re.sub(r"^\s*#.*\n", "", lock.read_text(), flags=re.MULTILINE))
    assert len(entries) > 1
    loose = [entry for entry in entries if not re.match(r"[\w.\[\],-]+==\S+.*\\\n\s+--hash=sha256:", entry)]
    assert loose == []


@pytest.mark.parametrize("name", ["api", "worker", "worker-gpu", "dev", "build", "jax"])
def test_every_lock_that_something_installs_is_there(name):
    assert ROOT / "requirements" / f"{name}.txt" in REQUIREMENTS


def test_the_apis_lock_holds_nothing_that_trains():
    locked = set(re.findall(r"^([a-z0-9-]+)==", (ROOT / "requirements/api.txt").read_text(), flags=re.MULTILINE))
    assert {"fastapi", "celery", "psycopg", "s3fs"} <= locked
    assert not locked & {"keras", "tensorflow", "jax", "scikit-learn", "matplotlib"}


def test_the_license_is_the_one_that_is_declared():
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["license"]["text"]
    assert declared == "Apache-2.0"
    assert re.search(r"Apache License\s+Version 2\.0", (ROOT / "LICENSE").read_text())


def text_of(file) -> str:
    return file.read_bytes().decode("utf-8", errors="ignore")
