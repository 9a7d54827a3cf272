"""Jobs that begin with another's checkpoint: what a worker hands to their trainers, and when there is nothing left."""

import signal

import pytest

from schemas.jobs import ErrorOrigin, JobStatus

pytestmark = pytest.mark.e2e


@pytest.fixture
def source(installation):
    """A job that has left a checkpoint of its second epoch."""
    installation.start_ready_worker()
    job_id = installation.submit(["epochs", 2])
    assert installation.wait_for(job_id).status is JobStatus.SUCCEEDED
    return installation.store.checkpoints(job_id)[-1]


def beginning_with(checkpoint):
    return {"layers": [], "initial_weights": {"checkpoint": checkpoint.id, "layers": None}}


def test_a_trainer_gets_the_file_and_the_model_that_it_is_of(installation, source):
    job_id = installation.submit(["begin", None], model=beginning_with(source))
    assert installation.wait_for(job_id).status is JobStatus.SUCCEEDED
    assert installation.witnessed(job_id)[1:] == [f"epoch 2 of {source.job_id}"]


def test_an_attempt_that_goes_on_has_weights_of_its_own(installation, source):
    killed = ["on_attempt", [1, ["die", int(signal.SIGKILL)]]]
    job_id = installation.submit(["begin", None], ["epochs", 1], killed, model=beginning_with(source))
    job = installation.wait_for(job_id)
    assert (job.status, job.attempt) == (JobStatus.SUCCEEDED, 2)
    told = [line for line in installation.witnessed(job_id) if "process" not in line]
    assert told == [f"epoch 2 of {source.job_id}", "epoch 1", "nothing to begin with"]


def test_an_attempt_without_a_checkpoint_of_its_own_begins_again(installation, source):
    killed = ["on_attempt", [1, ["die", int(signal.SIGKILL)]]]
    job_id = installation.submit(["begin", None], killed, model=beginning_with(source))
    assert installation.wait_for(job_id).attempt == 2
    told = [line for line in installation.witnessed(job_id) if "process" not in line]
    assert told == [f"epoch 2 of {source.job_id}"] * 2


@pytest.mark.parametrize("loss", ["of the job", "of the file", "of what is in it"])
def test_a_checkpoint_that_is_gone_by_then_fails_the_job_at_once(installation, source, loss, tmp_path):
    if loss == "of the job":
        installation.store.delete_job(source.job_id)
    elif loss == "of the file":
        installation.artifacts.delete(source.key)
    else:
        (tmp_path / "other").write_text("3")
        installation.artifacts.put_file(source.key, tmp_path / "other")
    job_id = installation.submit(["begin", None], model=beginning_with(source))
    job = installation.wait_for(job_id)
    assert (job.status, job.attempt, job.error.origin, job.error.code) == (
        JobStatus.FAILED,
        1,
        ErrorOrigin.DATA,
        "weights.checkpoint_gone",
    )
    assert source.id in job.error.message
    assert job.error.where.pointer == "/model/initial_weights/checkpoint"
    assert installation.witnessed(job_id) == []


def test_a_finished_model_is_handed_on_as_a_checkpoint_is(installation, source):
    trained = installation.submit(["artifact", "model.keras"])
    assert installation.wait_for(trained).status is JobStatus.SUCCEEDED
    begun = {"layers": [], "initial_weights": {"job": trained, "layers": None}}
    job_id = installation.submit(["begin", None], model=begun)
    assert installation.wait_for(job_id).status is JobStatus.SUCCEEDED
    assert installation.witnessed(job_id)[1:] == [f"epoch what is in model.keras of {trained}"]


def test_a_job_that_has_no_model_by_then_fails_the_one_that_waits(installation, source):
    begun = {"layers": [], "initial_weights": {"job": source.job_id, "layers": None}}
    job = installation.wait_for(installation.submit(["begin", None], model=begun))
    assert (job.status, job.error.code) == (JobStatus.FAILED, "weights.model_gone")
    assert job.error.where.pointer == "/model/initial_weights/job"
