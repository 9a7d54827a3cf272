"""The commands against a service that runs: what they print, and the exit codes that scripts rely on."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from hornbeam.cli.main import app
from hornbeam.testing.waiting import wait_until
from schemas.jobs import Job, JobStatus
from tests.e2e.stacks import RunningStack

pytestmark = pytest.mark.e2e

SPEC = """\
name: irises
dataset:
  source: {builtin: iris}
  validation: {fraction: 0.2, stratify: true}
model:
  layers:
    - {type: Dense, units: 8, activation: relu}
    - {type: Dense, units: 3, activation: softmax}
loss: sparse_categorical_crossentropy
metrics: [accuracy]
training: {epochs: 2, seed: 7}
metadata: {suite: cli}
"""
Hornbeam = Callable[..., Any]


@pytest.fixture
def hornbeam(stack: RunningStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hornbeam:
    """Runs a command in an empty directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HORNBEAM_SERVER", stack.url)
    return lambda *arguments, **options: CliRunner().invoke(app, list(arguments), **options)


@pytest.fixture(scope="module")
def finished(stack: RunningStack) -> Job:
    """A job that has succeeded."""
    return stack.client.jobs.wait(stack.client.jobs.create(yaml.safe_load(SPEC)).id, timeout=60)


@pytest.fixture
def endless(stack: RunningStack) -> Iterator[Job]:
    """A job that trains until it is cancelled."""
    job = stack.client.jobs.create({**yaml.safe_load(SPEC), "training": {"epochs": 100_000}})
    wait_until(lambda: stack.client.jobs.get(job.id).phase == "training", timeout=60)
    yield job
    stack.client.jobs.cancel(job.id)
    stack.client.jobs.wait(job.id, timeout=30)


def test_submit_and_watch_shows_each_epoch_and_the_result(hornbeam: Hornbeam):
    Path("iris.yaml").write_text(SPEC)
    ran = hornbeam("submit", "iris.yaml", "--watch")
    assert ran.exit_code == 0, ran.output
    lines = ran.stdout.splitlines()
    assert lines[0].startswith("irises  job_")
    assert [line for line in lines if line.startswith("epoch 2")]
    assert lines[-1].startswith("succeeded in ")


def test_submit_reads_standard_input_and_prints_json(hornbeam: Hornbeam, stack: RunningStack):
    ran = hornbeam("submit", "-", "--json", input=json.dumps(yaml.safe_load(SPEC)))
    assert ran.exit_code == 0, ran.output
    job = json.loads(ran.stdout)
    assert stack.client.jobs.wait(job["id"], timeout=60).status == JobStatus.SUCCEEDED


def test_a_spec_is_only_checked_when_that_is_asked(hornbeam: Hornbeam, stack: RunningStack):
    before = [job.id for job in stack.client.jobs.list()]
    ran = hornbeam("submit", "-", "--validate-only", input=SPEC)
    assert ran.exit_code == 0, ran.output
    assert "valid" in ran.stdout
    assert [job.id for job in stack.client.jobs.list()] == before


def test_findings_show_the_line_of_the_file(hornbeam: Hornbeam):
    Path("bad.yaml").write_text(
        SPEC.replace("type: Dense, units: 8", "type: Dens, units: 8").replace("epochs", "epoch")
    )
    ran = hornbeam("submit", "bad.yaml")
    assert ran.exit_code == 3
    assert "bad.yaml:7:14  /model/layers/0" in ran.stderr
    assert "help: Did you mean 'Dense'?" in ran.stderr
    assert "bad.yaml:11:12  /training/epoch\n" in ran.stderr


def test_findings_are_json_for_scripts(hornbeam: Hornbeam):
    ran = hornbeam("submit", "-", "--json", input=SPEC.replace("softmax", "softmaxx"))
    assert ran.exit_code == 3
    assert json.loads(ran.stderr)["errors"][0]["pointer"].startswith("/model/layers/1")


def test_a_file_that_cannot_be_read_is_an_invalid_spec(hornbeam: Hornbeam):
    assert hornbeam("submit", "nowhere.yaml").exit_code == 3
    assert hornbeam("submit", "-", input="a: 1\na: 2\n").exit_code == 3


def test_list_filters_and_prints_a_line_each(hornbeam: Hornbeam, finished: Job):
    ran = hornbeam("list", "--metadata", "suite=cli", "--status", "succeeded", "--limit", "50")
    assert ran.exit_code == 0
    row = next(line for line in ran.stdout.splitlines() if finished.id in line)
    assert "irises" in row
    assert "2/2" in row
    assert hornbeam("list", "--metadata", "suite=none", "--json").stdout == ""
    assert hornbeam("list", "--metadata", "nonsense").exit_code == 2


def test_show_is_a_page_or_json(hornbeam: Hornbeam, finished: Job):
    page = hornbeam("show", finished.id).stdout
    assert "iris, 20% held back, stratified" in page
    assert "Dense(8) > Dense(3)" in page
    assert "model.keras" in page
    assert Job.model_validate_json(hornbeam("show", finished.id, "--json").stdout) == finished


def test_watching_a_job_that_is_over_shows_what_it_did(hornbeam: Hornbeam, finished: Job):
    ran = hornbeam("watch", finished.id)
    assert ran.exit_code == 0
    assert "succeeded in" in ran.stdout
    events = [json.loads(line) for line in hornbeam("watch", finished.id, "--json").stdout.splitlines()]
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))


def test_logs_print_what_the_trainer_wrote(hornbeam: Hornbeam, finished: Job, stack: RunningStack):
    ran = hornbeam("logs", finished.id, "--follow")
    assert ran.exit_code == 0
    assert ran.stdout.splitlines() == [line.text for line in stack.client.jobs.logs(finished.id)]
    assert "epoch 2/2" in ran.stdout


def test_download_saves_the_model_an_artifact_or_a_checkpoint(hornbeam: Hornbeam, finished: Job, stack: RunningStack):
    assert hornbeam("download", finished.id).exit_code == 0
    assert Path("model.keras").read_bytes()[:2] == b"PK"
    assert hornbeam("download", finished.id, "--artifact", "history.json", "-o", "h.json").exit_code == 0
    assert json.loads(Path("h.json").read_text())["epochs"] == [1, 2]
    checkpoint = stack.client.jobs.checkpoints(finished.id)[0].id
    assert hornbeam("download", finished.id, "--checkpoint", checkpoint, "-o", ".").exit_code == 0
    assert Path(f"{checkpoint}.keras").exists()
    assert hornbeam("download", finished.id, "--artifact", "none").exit_code == 4
    assert hornbeam("download", finished.id, "--artifact", "a", "--checkpoint", "b").exit_code == 2


def test_cancelling_ends_the_job_and_the_watching(hornbeam: Hornbeam, endless: Job, stack: RunningStack):
    assert hornbeam("delete", endless.id).exit_code == 7
    ran = hornbeam("cancel", endless.id)
    assert ran.exit_code == 0
    assert hornbeam("watch", endless.id).exit_code == 6
    assert hornbeam("download", endless.id).exit_code == 4
    assert stack.client.jobs.get(endless.id).status == JobStatus.CANCELLED


def test_a_job_can_be_deleted_once_it_is_over(hornbeam: Hornbeam, stack: RunningStack):
    job = stack.client.jobs.wait(stack.client.jobs.create(yaml.safe_load(SPEC)).id, timeout=60)
    assert hornbeam("delete", job.id).exit_code == 0
    ran = hornbeam("show", job.id)
    assert ran.exit_code == 4
    assert ran.stderr.startswith("error[job.not_found]")


def test_a_job_that_fails_says_why(hornbeam: Hornbeam):
    diverging = SPEC.replace(
        "metrics:", "optimizer: {type: SGD, learning_rate: 1e30}\ncallbacks: [TerminateOnNaN]\nmetrics:"
    )
    ran = hornbeam("submit", "-", "--watch", input=diverging)
    assert ran.exit_code == 1, ran.output
    assert "failed[training." in ran.stdout


def test_the_catalogue_lists_kinds_and_shows_one(hornbeam: Hornbeam):
    assert "Dropout" in hornbeam("catalog", "layer").stdout
    page = hornbeam("catalog", "layer", "Dropout").stdout
    assert "rate" in page
    assert "number, required" in page
    assert hornbeam("catalog", "layer", "Dropoutt").exit_code == 4
    assert hornbeam("catalog", "flavour").exit_code == 2
    assert json.loads(hornbeam("catalog", "optimizer", "--json").stdout)["components"][0]["kind"] == "optimizer"


def test_without_a_service_it_says_how_to_start_one(hornbeam: Hornbeam):
    ran = hornbeam("list", "--server", "http://127.0.0.1:9")
    assert ran.exit_code == 5
    assert "hornbeam up" in ran.stderr


def test_a_stack_in_this_directory_is_found_by_itself(hornbeam: Hornbeam, stack: RunningStack, monkeypatch):
    monkeypatch.delenv("HORNBEAM_SERVER")
    Path(".hornbeam").symlink_to(stack.data_dir)
    assert hornbeam("list", "--json", "--limit", "1").exit_code == 0
