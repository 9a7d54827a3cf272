"""The real thing once: `workers.main` with Keras in its zygote, and jobs and proofs that need it."""

import os
import signal

import pytest

from schemas.jobs import JobPhase, JobStatus
from tests.e2e.workers.installations import descendants, is_alive
from tests.keras.trainings import dense, make_spec

pytestmark = pytest.mark.e2e


@pytest.fixture
def installation(open_installation):
    # Two cores, shared with Keras's import: no heartbeat should be late for that.
    return open_installation(heartbeat_seconds=0.5, lease_seconds=10)


def test_a_model_is_trained_and_a_killed_trainer_costs_one_attempt(installation, wait_until):
    installation.start_ready_worker(app="workers.main")
    spec = make_spec(training={"epochs": 3})
    job_id = installation.submit(**spec)
    job = installation.wait_for(job_id, timeout=60)
    assert (job.status, job.attempt) == (JobStatus.SUCCEEDED, 1)
    assert {phase.value for phase in JobPhase} <= job.timings.keys()
    assert len(installation.store.epochs(job_id)) == 3
    names = {artifact.name for artifact in installation.store.artifacts(job_id)}
    assert {"model.keras", "history.json", "curves.png", "manifest.json", "log.txt"} <= names
    assert [line for line in installation.logged(job_id) if "cuInit" in line] == []

    long = installation.submit(**make_spec(training={"epochs": 400, "batch_size": 32}))
    wait_until(lambda: len(installation.store.epochs(long)) >= 2, timeout=60)
    (trainer,) = installation.workers[-1].trainers()
    (draughtsman,) = descendants(trainer)
    os.kill(trainer, signal.SIGKILL)
    wait_until(lambda: not is_alive(draughtsman), timeout=5)
    wait_until(lambda: installation.store.get_job(long).attempt == 2, timeout=20)
    wait_until(lambda: len(installation.store.epochs(long)) >= 5, timeout=60)
    lines = installation.logged(long)
    assert [line for line in lines if line.startswith("Going on from epoch")]
    installation.store.request_cancel(long, "enough")
    installation.live.nudge(long)
    assert installation.wait_for(long).status is JobStatus.CANCELLED

    failing = installation.submit(**make_spec("digits", [dense("out", 3, "softmax")]))
    assert installation.wait_for(failing).status is JobStatus.FAILED
    # One that has ended and was not waited for would still be there.
    wait_until(lambda: not installation.workers[-1].trainers(), what="nothing below the zygote")


def test_a_model_is_proven(installation, wait_until):
    installation.start_ready_worker(queue="plan", app="workers.main")
    wait_until(lambda: installation.prove(make_spec())[0] is not None, timeout=30)
    (fine, broken) = installation.prove(
        make_spec(), make_spec("digits", [dense("hidden", 8), dense("out", 3, "softmax")])
    )
    assert fine.plan.parameters == 64 * 16 + 16 + 16 * 10 + 10
    assert fine.findings == []
    assert broken.findings
