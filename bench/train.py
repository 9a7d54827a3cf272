"""How long a small training takes as a job on a warm service, beside the same training as a plain script.

    python -m bench.train

Starts `hornbeam up` in a fresh directory, then alternates: a 3-epoch network on the digits from POST to
`succeeded`, and `python bench/plain_train.py`. Prints medians, their ratio, and the service's own share of a job:
everything but `fit`, which is the training phase less what saving the checkpoints takes of it.
"""

import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx

from hornbeam.client import Hornbeam
from hornbeam.testing.waiting import wait_until
from schemas.events import Event, EventType
from schemas.jobs import JobStatus

PLAIN_SCRIPT = Path(__file__).with_name("plain_train.py")
ROUNDS = 5
ALLOWED_RATIO = 0.25
ALLOWED_SHARE_SECONDS = 0.5
SPEC: dict[str, Any] = {
    "name": "bench-digits-mlp",
    "dataset": {"source": {"builtin": "digits"}, "validation": {"fraction": 0.2}},
    "model": {
        "layers": [
            {"type": "Dense", "units": 64, "activation": "relu"},
            {"type": "Dense", "units": 64, "activation": "relu"},
            {"type": "Dense", "units": 10, "activation": "softmax"},
        ]
    },
    "loss": "sparse_categorical_crossentropy",
    "optimizer": "adam",
    "metrics": ["accuracy"],
    "training": {"epochs": 3, "batch_size": 32, "seed": 7},
}


def main() -> None:
    """Measure, and print a table."""
    with tempfile.TemporaryDirectory(prefix="hornbeam-bench-") as directory:
        folder = Path(directory)
        with _service(folder / "data") as url, Hornbeam(url) as client:
            _run_job(client)  # the first one fills caches that a warm service has filled
            jobs, plain = [], []
            for _ in range(ROUNDS):
                jobs.append(_run_job(client))
                plain.append(_run_script(folder / "plain.keras"))
    total = statistics.median(seconds for seconds, _ in jobs)
    share = statistics.median(seconds - fit for seconds, fit in jobs)
    script = statistics.median(plain)
    print(f"a 3-epoch network on the digits, median of {ROUNDS}")
    print(f"  python plain_train.py            {script:8.2f} s")
    print(f"  job, from POST to succeeded      {total:8.2f} s   ratio {total / script:.2f}, allowed {ALLOWED_RATIO}")
    print(f"  of which not `fit`              {share:8.2f} s   allowed {ALLOWED_SHARE_SECONDS}")
    raise SystemExit(total / script > ALLOWED_RATIO or share > ALLOWED_SHARE_SECONDS)


def _run_job(client: Hornbeam) -> tuple[float, float]:
    """Seconds from POST to the end, and those that `fit` took of them."""
    began = time.monotonic()
    job = client.jobs.wait(client.jobs.create(SPEC).id, timeout=120)
    seconds = time.monotonic() - began
    if job.status is not JobStatus.SUCCEEDED:
        raise SystemExit(f"the job {job.status}: {job.error}")
    return seconds, job.timings["training"] - _saving(list(client.jobs.events(job.id)))


def _saving(events: list[Event]) -> float:
    """What the checkpoints took, which are saved between the epochs: from each epoch's event to its checkpoint's."""
    return sum(
        (after.at - before.at).total_seconds()
        for before, after in pairwise(events)
        if (before.type, after.type) == (EventType.EPOCH_COMPLETED, EventType.CHECKPOINT_CREATED)
    )


def _run_script(target: Path) -> float:
    began = time.monotonic()
    command = [sys.executable, str(PLAIN_SCRIPT), str(target)]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    return time.monotonic() - began


@contextmanager
def _service(data: Path) -> Iterator[str]:
    """A warm `hornbeam up`, by its URL."""
    url = f"http://127.0.0.1:{_free_port()}"
    command = [Path(sys.executable).with_name("hornbeam"), "up", "--port", url.rpartition(":")[2], "--data", data]
    with subprocess.Popen([*map(str, command)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            wait_until(lambda: _is_ready(url, process), timeout=120, interval=0.2, what="a ready service")
            yield url
        finally:
            process.send_signal(signal.SIGTERM)


def _is_ready(url: str, process: "subprocess.Popen[bytes]") -> bool:
    if process.poll() is not None:
        raise SystemExit(f"hornbeam up ended with status {process.returncode}")
    try:
        return httpx.get(f"{url}/readyz", timeout=2).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


if __name__ == "__main__":
    main()
