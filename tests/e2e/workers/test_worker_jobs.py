"""What a worker makes of a job: a real Celery worker, zygote and broker, and trainers that follow a script."""

import os
import signal

import pytest

from hornbeam.queue.base import UNPROVEN
from schemas.jobs import ErrorOrigin, JobPhase, JobStatus
from schemas.problems import Finding, Severity
from tests.e2e.workers.installations import is_alive

pytestmark = pytest.mark.e2e

MIB = 2**20


def test_everything_that_a_trainer_says_is_on_record(installation):
    installation.start_ready_worker()
    job_id = installation.submit(["epochs", 3], ["artifact", "summary.json"], ["say", "hello"])
    job = installation.wait_for(job_id)
    assert (job.status, job.attempt, job.error) == (JobStatus.SUCCEEDED, 1, None)
    assert [(epoch.epoch, epoch.metrics["loss"]) for epoch in installation.store.epochs(job_id)] == [
        (1, 1.0),
        (2, 0.5),
        (3, 1 / 3),
    ]
    assert JobPhase.TRAINING.value in job.timings
    assert installation.logged(job_id) == ["hello"]
    summary = installation.store.artifact(job_id, "summary.json")
    assert b"".join(installation.artifacts.read(summary.key)) == b"what is in summary.json"


def test_the_log_is_an_artifact(installation):
    installation.start_ready_worker()
    job_id = installation.submit(["say", "first"], ["say", "second"])
    installation.wait_for(job_id)
    text = b"".join(installation.artifacts.read(installation.store.artifact(job_id, "log.txt").key)).decode()
    assert [line.split(" ", 1)[1] for line in text.splitlines()] == ["1 stdout: first", "1 stdout: second"]


def test_only_the_checkpoints_that_the_spec_keeps_stay(installation):
    installation.start_ready_worker()
    keep = {"every_epochs": 1, "monitor": "loss", "mode": "max", "keep": {"best": 2, "last": 2}}
    job_id = installation.submit(["epochs", 6], checkpoints=keep)
    installation.wait_for(job_id)
    kept = installation.store.checkpoints(job_id)
    assert [checkpoint.epoch for checkpoint in kept] == [1, 2, 5, 6]
    files = installation.artifacts.keys(f"jobs/{job_id}/checkpoints")
    assert sorted(files) == sorted(checkpoint.key for checkpoint in kept)


def test_a_message_delivered_fifty_times_runs_the_job_once(installation):
    job_id = installation.submit(["epochs", 2], wake=False)
    for _ in range(50):
        installation.queue.send(job_id)
    installation.start_ready_worker(slots=2)
    assert installation.wait_for(job_id).status is JobStatus.SUCCEEDED
    second = installation.submit(["epochs", 1])
    installation.wait_for(second)
    assert installation.witnessed(job_id)[1:] == ["epoch 1", "epoch 2"]
    assert installation.store.get_job(job_id).attempt == 1


def test_two_workers_share_the_jobs_and_run_each_once(installation):
    installation.start_worker()
    installation.start_worker()
    jobs = [installation.submit(["slow_epochs", 2]) for _ in range(8)]
    for job_id in jobs:
        assert installation.wait_for(job_id, timeout=30).status is JobStatus.SUCCEEDED
        assert installation.witnessed(job_id)[1:] == ["epoch 1", "epoch 2"]
    assert len({installation.store.get_job(job_id).worker_id for job_id in jobs}) == 2


def test_a_worker_runs_as_many_jobs_at_once_as_it_has_slots(installation):
    installation.start_ready_worker(slots=2)
    gates = [installation.directory / f"gate-{number}" for number in range(3)]
    jobs = [installation.submit(["until_file", str(gate)]) for gate in gates]
    for job_id in jobs[:2]:
        installation.trainer_of(job_id)
    assert installation.store.get_job(jobs[2]).status is JobStatus.QUEUED
    for gate in gates:
        gate.touch()
    assert all(installation.wait_for(job_id).status is JobStatus.SUCCEEDED for job_id in jobs)


def test_a_running_job_is_cancelled_at_the_next_batch(installation, wait_until):
    installation.start_ready_worker()
    job_id = installation.submit(["epochs", 1], ["until_stopped", None])
    wait_until(lambda: installation.store.checkpoints(job_id))
    installation.store.request_cancel(job_id, "the client asked")
    installation.live.nudge(job_id)
    job = installation.wait_for(job_id, timeout=3)
    assert job.status is JobStatus.CANCELLED
    assert not is_alive(installation.trainer_of(job_id))


def test_a_trainer_that_hangs_is_killed_after_the_grace(installation):
    installation.start_ready_worker()
    job_id = installation.submit(["hang", None])
    trainer = installation.trainer_of(job_id)
    installation.store.request_cancel(job_id, "the client asked")
    assert installation.wait_for(job_id, timeout=10).status is JobStatus.CANCELLED
    assert not is_alive(trainer)


def test_a_job_ends_when_its_time_is_over(installation):
    installation.start_ready_worker()
    job_id = installation.submit(["until_stopped", None], training={"max_seconds": 1})
    job = installation.wait_for(job_id)
    assert (job.status, job.error.origin, job.error.code) == (
        JobStatus.FAILED,
        ErrorOrigin.RESOURCES,
        "resources.time_limit",
    )
    assert "1 s" in job.error.message
    assert "training.max_seconds" in job.error.suggestion


def test_a_job_ends_when_it_holds_too_much_memory(open_installation):
    installation = open_installation(max_job_memory_bytes=150 * MIB)
    installation.start_ready_worker()
    job_id = installation.submit(["say", "the last words"], ["allocate", 400 * MIB])
    job = installation.wait_for(job_id)
    assert (job.status, job.error.code) == (JobStatus.FAILED, "resources.memory_limit")
    assert "150 MiB" in job.error.message
    assert job.error.log_tail == ["the last words"]


@pytest.mark.parametrize("step", [["segfault", None], ["leave", 3], ["die", int(signal.SIGABRT)]])
def test_a_trainer_that_crashes_fails_its_job_and_nothing_else(installation, step):
    installation.start_ready_worker()
    job_id = installation.submit(["say", "the last words"], step)
    job = installation.wait_for(job_id)
    assert (job.status, job.attempt, job.error.code) == (JobStatus.FAILED, 1, "service.trainer_crashed")
    assert "the last words" in job.error.log_tail
    assert installation.wait_for(installation.submit(["epochs", 1])).status is JobStatus.SUCCEEDED


def test_a_failure_carries_the_trainers_error_and_the_end_of_the_log(installation):
    installation.start_ready_worker()
    job_id = installation.submit(["shout", 100], ["fail", "training.step_failed"])
    job = installation.wait_for(job_id)
    assert (job.status, job.error.code) == (JobStatus.FAILED, "training.step_failed")
    assert job.error.log_tail == [f"line {number}" for number in range(80, 100)]


def test_garbage_on_the_message_pipe_is_ignored_and_mentioned(installation):
    installation.start_ready_worker()
    garbage = ["no json", '{"kind": "unknown"}', '{"kind": "succeeded"}', "\xff\xfe", "x" * 3_000_000]
    job_id = installation.submit(["garbage", garbage], ["epochs", 1])
    job = installation.wait_for(job_id)
    assert job.status is JobStatus.SUCCEEDED
    assert len(installation.store.epochs(job_id)) == 1
    remarks = "\n".join(installation.logged(job_id))
    assert "no json" in remarks
    assert "5 lines" in remarks


@pytest.mark.parametrize("path", ["/etc/passwd", "../../../hornbeam.db", "missing"])
def test_a_trainer_cannot_hand_in_files_that_are_not_its_own(installation, path):
    installation.start_ready_worker()
    job_id = installation.submit(["artifact_at", path], ["artifact", "../name"], ["artifact", "fine"])
    assert installation.wait_for(job_id).status is JobStatus.SUCCEEDED
    assert [artifact.name for artifact in installation.store.artifacts(job_id)] == ["fine", "log.txt"]


def test_a_long_log_is_cut_and_says_so(open_installation):
    installation = open_installation(max_log_lines=10)
    installation.start_ready_worker()
    job_id = installation.submit(["shout", 50_000])
    assert installation.wait_for(job_id).status is JobStatus.SUCCEEDED
    logged = installation.logged(job_id)
    assert logged[:10] == [f"line {number}" for number in range(10)]
    assert len(logged) == 11
    assert "10 lines are kept" in logged[10]


def test_a_trainer_knows_no_addresses_and_no_secrets(installation, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a secret")
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    installation.start_ready_worker()
    job_id = installation.submit(["environment", None])
    installation.wait_for(job_id)
    names = {line.split("=", 1)[0] for line in installation.logged(job_id)}
    assert {"PATH", "KERAS_BACKEND"} <= names
    assert not [name for name in names if name.startswith(("HORNBEAM_", "AWS_"))]


def test_an_unproven_job_is_proven_before_it_is_trained(installation):
    installation.start_ready_worker()
    unproven = Finding(severity=Severity.INFO, pointer="", code=UNPROVEN, message="Not proven yet.")
    errors = [
        {"pointer": "/loss", "code": "loss.mismatch", "message": "The loss does not fit.", "suggestion": "Another."},
        {"pointer": "/metrics/0", "code": "metric.mismatch", "message": "Nor does the metric."},
        {"severity": "warning", "pointer": "/training", "code": "batch.large", "message": "A large batch."},
    ]
    job_id = installation.submit(["epochs", 1], accepted_with=[unproven], findings=errors)
    job = installation.wait_for(job_id)
    assert (job.status, job.error.origin, job.error.code) == (JobStatus.FAILED, ErrorOrigin.SPEC, "loss.mismatch")
    assert "Nor does the metric." in job.error.message
    assert job.error.where.pointer == "/loss"
    assert "batch.large" in {finding.code for finding in job.findings}
    assert installation.witnessed(job_id) == []


def test_progress_is_live_while_the_trainer_runs(installation, wait_until):
    installation.start_ready_worker()
    gate = installation.directory / "gate"
    job_id = installation.submit(["progress", 4], ["until_file", str(gate)])
    wait_until(lambda: installation.store.get_job(job_id).progress is not None)
    assert installation.store.get_job(job_id).progress.percent == 40
    gate.touch()
    installation.wait_for(job_id)


def test_nothing_of_a_job_stays_in_the_work_directory(installation, wait_until):
    installation.start_ready_worker()
    installation.wait_for(installation.submit(["epochs", 2]))
    work = installation.directory / "work"
    wait_until(lambda: not [path for own in work.iterdir() for path in own.iterdir() if path.name != ".lock"])


def test_a_trainer_leads_a_process_group_of_its_own(installation):
    installation.start_ready_worker()
    job_id = installation.submit(["until_stopped", None])
    trainer = installation.trainer_of(job_id)
    assert os.getpgid(trainer) == trainer
