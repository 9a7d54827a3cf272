"""The images: linted, pinned, without root, with an init and a health check, in layers that are used again."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.images import Dockerfile
from tests.architecture.sources import ROOT

TARGETS = ("api", "worker", "worker-gpu")


@pytest.fixture(scope="module")
def dockerfile() -> Dockerfile:
    return Dockerfile()


def test_the_linter_finds_nothing():
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run(
        [hadolint, "--strict-labels", ROOT / "Dockerfile"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_base_images_are_pinned_to_a_release(dockerfile):
    bases = {stage.source for stage in dockerfile.stages.values()} - dockerfile.stages.keys()
    assert bases == {"python:3.12-slim-trixie"}


def test_a_build_without_a_target_makes_the_api(dockerfile):
    assert list(dockerfile.stages)[-1] == "api"


@pytest.mark.parametrize("target", TARGETS)
def test_it_runs_as_nobody_in_particular(dockerfile, target):
    user, _, group = dockerfile.last(target, "USER").value.partition(":")
    assert int(user) >= 10_000
    assert int(group) >= 10_000
    assert dockerfile.instructions(target)[-1].name != "RUN", "the last layer is not made by root after USER"


@pytest.mark.parametrize("target", TARGETS)
def test_an_init_reaps_wherever_it_stands(dockerfile, target):
    assert dockerfile.last(target, "ENTRYPOINT").words == ["tini", "-s", "--"]


@pytest.mark.parametrize("target", TARGETS)
def test_it_is_stopped_and_watched(dockerfile, target):
    assert dockerfile.last(target, "STOPSIGNAL").value == "SIGTERM"
    assert re.search(
        r"--interval=\d+s --timeout=\d+s --start-period=\d+s", dockerfile.last(target, "HEALTHCHECK").value
    )


@pytest.mark.parametrize("target", TARGETS)
def test_its_command_is_not_wrapped_in_a_shell(dockerfile, target):
    assert dockerfile.last(target, "CMD").words[0] in ("uvicorn", "celery")


@pytest.mark.parametrize("target", TARGETS)
def test_it_installs_from_its_lock_before_it_copies_sources(dockerfile, target):
    [dependencies] = [
        entry.value.split()[0].removeprefix("--from=")
        for entry in dockerfile.stages[target].instructions
        if entry.name == "COPY"
    ]
    [install] = dockerfile.stages[dependencies].instructions
    assert f"source=requirements/{target}.txt" in install.value
    assert "--require-hashes" in install.value
    assert not any(entry.name == "COPY" for entry in dockerfile.instructions(dependencies))


def test_nothing_is_fetched_by_address_and_no_package_lists_stay(dockerfile):
    every = [entry for stage in dockerfile.stages.values() for entry in stage.instructions]
    assert not any(entry.name == "ADD" for entry in every)
    for entry in every:
        assert not re.search(r"https?://(?!127\.0\.0\.1)", entry.value)
        if "apt-get install" in entry.value:
            assert "--no-install-recommends" in entry.value
            assert "rm -rf /var/lib/apt/lists/*" in entry.value


def test_no_secret_is_built_in(dockerfile):
    every = [entry.value for stage in dockerfile.stages.values() for entry in stage.instructions]
    assert not [value for value in every if re.search(r"(?i)password|secret|token|_key", value)]


def test_the_context_holds_what_is_copied_and_nothing_else():
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert allowed == {
        "pyproject.toml", "README.md", "LICENSE", "requirements/*.txt", "schemas", "hornbeam", "service", "workers"
    }  # fmt: skip
