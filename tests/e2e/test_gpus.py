"""Two slots on a machine whose driver has two GPUs: what the API tells of them, and which one each job sees.

The driver is a stand-in, so nothing computes on a GPU here: what is looked at is all that decides where it would.
"""

import os
from pathlib import Path

import pytest

from hornbeam.testing.waiting import wait_until
from schemas.jobs import JobStatus
from tests.e2e.stacks import Start

pytestmark = [pytest.mark.e2e, pytest.mark.keras]

DRIVER = Path(__file__).parents[1] / "driver"
WITNESS = """
import os
import keras
from hornbeam.components.registry import register_layer

@register_layer
class Witness(keras.layers.Layer):
    '''Writes into the job's log what decides about GPUs.'''

    def build(self, shape):
        names = ("CUDA_VISIBLE_DEVICES", "TF_FORCE_GPU_ALLOW_GROWTH", "XLA_PYTHON_CLIENT_PREALLOCATE")
        print("witness", *(os.environ.get(name) for name in names), flush=True)

    def call(self, inputs):
        return inputs
"""
SPEC = {
    "dataset": {"source": {"builtin": "iris"}},
    "model": {"layers": ["Witness", {"type": "Dense", "units": 3, "activation": "softmax"}]},
    "loss": "sparse_categorical_crossentropy",
    "training": {"epochs": 100_000},
}


def test_each_slot_has_a_gpu_of_its_own(start_stack: Start, tmp_path: Path):
    components = tmp_path / "witness.py"
    components.write_text(WITNESS)
    path = os.pathsep.join(filter(None, [str(DRIVER), os.environ.get("PYTHONPATH")]))
    stack = start_stack("--slots", "2", PYTHONPATH=path, HORNBEAM_COMPONENT_FILES=str(components))
    stack.wait_until_ready()
    client = stack.client

    (worker,) = wait_until(lambda: [worker for worker in client.workers() if worker.role == "train"])
    assert [(device.index, device.name, device.utilization_percent) for device in worker.devices] == [
        (0, "NVIDIA H100 80GB HBM3", 37.0),
        (1, "NVIDIA A100-SXM4-40GB", None),
    ]
    assert not worker.broken_components
    jobs = [client.jobs.create(SPEC).id for _ in range(2)]

    def witnessed() -> list[str]:
        logged = [line.text for job in jobs for line in client.jobs.logs(job)]
        return sorted(line for line in logged if line.startswith("witness"))

    wait_until(lambda: len(witnessed()) == len(jobs), timeout=60, what="both jobs")
    assert witnessed() == ["witness 0 true false", "witness 1 true false"]
    assert [client.jobs.get(job).status for job in jobs] == [JobStatus.RUNNING] * 2
    for job in jobs:
        client.jobs.cancel(job)
