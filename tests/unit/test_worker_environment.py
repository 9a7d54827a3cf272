"""What a trainer may know of its worker."""

import pytest

from workers.launcher import cleared_environment


def test_addresses_and_credentials_stay_with_the_worker():
    secrets = {
        "HORNBEAM_DATABASE_URL": "postgresql://user:secret@host/name",
        "HORNBEAM_REDIS_URL": "redis://:secret@host",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "PGPASSWORD": "secret",
        "CELERY_BROKER_URL": "redis://:secret@host",
        "GITHUB_TOKEN": "secret",
    }
    kept = {"PATH": "/bin", "KERAS_BACKEND": "jax", "CUDA_VISIBLE_DEVICES": "0", "LD_LIBRARY_PATH": "/lib"}
    environment = cleared_environment({**secrets, **kept})
    assert "secret" not in " ".join(environment.values())
    assert kept.items() <= environment.items()


def test_nothing_draws_on_a_screen_or_starts_threads_at_import():
    environment = cleared_environment({"MPLBACKEND": "TkAgg", "OPENBLAS_NUM_THREADS": "8"})
    assert (environment["MPLBACKEND"], environment["OPENBLAS_NUM_THREADS"]) == ("Agg", "1")


@pytest.mark.parametrize(
    ("name", "ours", "theirs"),
    [("TF_FORCE_GPU_ALLOW_GROWTH", "true", "false"), ("NUMPY_MADVISE_HUGEPAGE", "0", "1")],
)
def test_an_operator_may_choose_how_memory_is_taken(name, ours, theirs):
    assert cleared_environment({})[name] == ours
    assert cleared_environment({name: theirs})[name] == theirs


def test_tensorflow_says_that_there_is_no_gpu_to_nobody():
    """At level 2 it writes into each job's log that `cuInit` failed."""
    assert cleared_environment({})["TF_CPP_MIN_LOG_LEVEL"] == "3"
    assert cleared_environment({}, has_gpu=True)["TF_CPP_MIN_LOG_LEVEL"] == "2"
    assert cleared_environment({"TF_CPP_MIN_LOG_LEVEL": "0"})["TF_CPP_MIN_LOG_LEVEL"] == "0"
