"""Ids: a prefix that says what it is, and a ULID, so that ids sort by time."""

from ulid import ULID


def new_job_id() -> str:
    """An id like `job_01J9…`."""
    return f"job_{ULID()}"


def new_checkpoint_id() -> str:
    """An id like `ckpt_01J9…`."""
    return f"ckpt_{ULID()}"


def new_worker_id() -> str:
    """An id like `wrk_01J9…`."""
    return f"wrk_{ULID()}"


def new_dataset_id() -> str:
    """An id like `ds_01J9…`."""
    return f"ds_{ULID()}"


def new_upload_id() -> str:
    """An id like `up_01J9…`."""
    return f"up_{ULID()}"
