"""The client of a Hornbeam service, and its only public door.

    >>> from hornbeam.client import Hornbeam
    >>> with Hornbeam("http://127.0.0.1:8000") as hornbeam:
    ...     job = hornbeam.jobs.create(spec)
    ...     job = hornbeam.jobs.wait(job.id)
    ...     hornbeam.jobs.download_model(job.id, "model.keras")

Answers are the models in `schemas`; errors are the exceptions of `hornbeam.errors`, raised again from the problem's
code, so that `except JobNotFound` means here what it means in the service.
"""

from hornbeam.client._client import Hornbeam
from hornbeam.client._datasets import Datasets
from hornbeam.client._jobs import Jobs

__all__ = ["Datasets", "Hornbeam", "Jobs"]
