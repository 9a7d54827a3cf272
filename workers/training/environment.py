"""Sets a trainer's process up for one job: its devices, threads, seeds, precision and file limit.

Called once, in the forked child, before the backend does anything. Leaves memory and time to the supervisor.
"""

import os
import resource
from typing import Any

import keras

from workers.messages import TrainerRequest


def prepare(request: TrainerRequest) -> None:
    """Make the process ready to build the job's model."""
    training = request.spec["training"]
    _limit_files(request.max_file_bytes)
    _choose_devices(request.cuda_visible_devices)
    if keras.config.backend() == "tensorflow":
        _set_up_tensorflow(request.threads, deterministic=training["deterministic"])
    keras.utils.set_random_seed(training["seed"])
    keras.config.set_dtype_policy(training["dtype_policy"])


def _limit_files(largest: int) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    allowed = largest if hard == resource.RLIM_INFINITY else min(largest, hard)
    resource.setrlimit(resource.RLIMIT_FSIZE, (allowed, hard))


def _choose_devices(visible: str | None) -> None:
    """Both backends read these when they first look for a GPU, which no process does before it is a trainer."""
    if visible is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = visible
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")


def _set_up_tensorflow(threads: int, *, deterministic: bool) -> None:
    tensorflow = _tensorflow()
    if threads:
        tensorflow.config.threading.set_intra_op_parallelism_threads(threads)
        tensorflow.config.threading.set_inter_op_parallelism_threads(threads)
    if deterministic:
        tensorflow.config.experimental.enable_op_determinism()


def _tensorflow() -> Any:
    import tensorflow  # noqa: PLC0415 - only where it is the backend

    return tensorflow
