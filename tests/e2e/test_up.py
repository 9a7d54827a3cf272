"""`hornbeam up`: one at a time, keeps its parts alive, and leaves no process behind, however it ends."""

import itertools
import os
import signal
import socket
import subprocess

import httpx
import pytest

from hornbeam.client import Hornbeam
from hornbeam.embedded.directory import read_note
from hornbeam.errors import ServiceUnreachable
from hornbeam.testing.waiting import wait_until
from schemas.jobs import JobStatus
from tests.e2e import stacks
from tests.e2e.stacks import COMMAND, RunningStack, Start

pytestmark = pytest.mark.e2e

ENDLESS = {
    "dataset": {"source": {"builtin": "iris"}},
    "model": {"layers": [{"type": "Dense", "units": 3, "activation": "softmax"}]},
    "loss": "sparse_categorical_crossentropy",
    "training": {"epochs": 100_000},
    "checkpoints": {"every_epochs": 100_000},
}
_UNITS = itertools.count(1)


def _up(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [COMMAND, "up", *arguments],
        env=stacks.environment(), capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip


def _is_proven(stack: RunningStack) -> bool:
    """Whether a planner answers in time, to a model that no answer is remembered of."""
    hidden = {"type": "Dense", "units": next(_UNITS)}
    model = {"layers": [hidden, *ENDLESS["model"]["layers"]]}
    return stack.client.jobs.create({**ENDLESS, "model": model}, validate_only=True).proven


def test_says_where_it_listens_and_when_it_is_ready(stack: RunningStack):
    wait_until(lambda: "ready after" in stack.output.read_text())
    said = stack.output.read_text()
    assert f"API  {stack.url}\n" in said
    assert f"docs {stack.url}/docs\n" in said
    assert f"data {stack.data_dir}\n" in said
    assert all(line.isprintable() for line in said.splitlines())


def test_on_loopback_it_answers_under_the_names_of_this_machine_only(stack: RunningStack):
    port = httpx.URL(stack.url).port
    statuses = {
        host: httpx.get(f"{stack.url}/v1/jobs", headers={"Host": f"{host}:{port}"}, trust_env=False).status_code
        for host in ("127.0.0.1", "localhost", "[::1]", "rebound.example")
    }
    assert statuses == {"127.0.0.1": 200, "localhost": 200, "[::1]": 200, "rebound.example": 421}


def test_a_second_one_on_the_directory_is_refused(stack: RunningStack):
    ran = _up("--port", "0", "--data", str(stack.data_dir))
    assert ran.returncode == 8
    assert f"(process {stack.process.pid}, at {stack.url})" in ran.stderr
    assert stack.is_ready()


def test_a_port_in_use_is_refused(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ran = _up("--port", str(taken.getsockname()[1]), "--data", str(tmp_path))
    assert ran.returncode == 8
    assert "is in use" in ran.stderr
    assert "--port 0" in ran.stderr


@pytest.mark.parametrize("arguments", [("--slots", "0"), ("--port", "70000"), ("--nonsense",)])
def test_a_wrong_option_is_a_usage_error(arguments):
    assert _up(*arguments).returncode == 2


def test_a_setting_that_is_not_valid_is_named(tmp_path):
    ran = subprocess.run(
        [COMMAND, "up", "--data", str(tmp_path)],
        env={**stacks.environment(), "HORNBEAM_LEASE_SECONDS": "soon"},
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert ran.returncode == 8
    assert "HORNBEAM_LEASE_SECONDS" in ran.stderr


def test_a_relative_database_lies_where_it_was_started(start_stack: Start):
    stack = start_stack(HORNBEAM_DATABASE_URL="sqlite:///jobs.db")
    assert list(stack.client.jobs.list()) == []
    assert stack.data_dir.with_name("jobs.db").exists()
    assert not list(stack.data_dir.glob("*.db"))


@pytest.mark.parametrize("part", ["api", "redis", "worker", "planner"])
def test_a_part_that_is_killed_is_started_again(stack: RunningStack, part: str):
    killed = stack.note.children[part]
    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: stack.note.children[part] != killed, what=f"another {part}")
    wait_until(stack.is_ready, timeout=30, what="readiness")
    assert f"The {part} exited with status -9; starting it again" in stack.output.read_text()
    wait_until(lambda: _is_proven(stack), timeout=stacks.IMPORT_SECONDS, interval=0.5, what="a planner")
    job = stack.client.jobs.create({**ENDLESS, "training": {"epochs": 1}})
    assert stack.client.jobs.wait(job.id, timeout=stacks.IMPORT_SECONDS).status == JobStatus.SUCCEEDED


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_at_once_while_keras_is_imported(start_stack: Start, signum: int):
    stack = start_stack()
    everything = stacks.descendants(stack.process.pid)
    assert len(everything) >= 4
    assert stack.stop(signum) == 0
    assert not stacks.alive(everything)
    assert read_note(stack.data_dir) is None
    assert "Stopped." in stack.output.read_text()
    with Hornbeam(stack.url, retries=0) as client, pytest.raises(ServiceUnreachable):
        client.workers()


def test_killing_it_in_the_middle_of_a_training_leaves_nothing(start_stack: Start):
    stack = start_stack()
    stack.wait_until_ready()
    before = stacks.descendants(stack.process.pid)
    job = stack.client.jobs.create(ENDLESS)
    wait_until(lambda: stack.client.jobs.get(job.id).phase == "training", timeout=60, what="a training")
    everything = stacks.descendants(stack.process.pid)
    assert everything > before, "a trainer runs"

    stack.process.kill()
    stack.process.wait()
    wait_until(lambda: not stacks.alive(everything), what="the end of every process")
    assert read_note(stack.data_dir) is None
