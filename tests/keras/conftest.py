import resource

import pytest

from tests.keras.trainings import NeverStop, Trained
from workers.messages import TrainerRequest
from workers.training.run import run


@pytest.fixture
def train(tmp_path):
    """Train a spec here and now, in a directory of its own."""
    attempts = iter(range(1, 100))

    def start(spec, *, stop=None, resume=None, begin_with=None, max_file_bytes=2**33, **data):
        attempt = next(attempts)
        workdir = tmp_path / f"attempt-{attempt}"
        workdir.mkdir()
        request = TrainerRequest(
            job_id="job_1",
            attempt=attempt,
            spec=spec,
            workdir=str(workdir),
            resume=resume,
            start=begin_with,
            max_file_bytes=max_file_bytes,
            **data,
        )
        trained = Trained()
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        try:
            run(request, trained.messages.append, stop or NeverStop())
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        return trained

    return start
