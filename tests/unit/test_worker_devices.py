"""Which GPUs a worker sees and what it tells of them, with two that the driver's stand-in has."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

DRIVER = Path(__file__).parents[1] / "driver"
GIB = 2**30
H100 = {"name": "NVIDIA H100 80GB HBM3", "memory_bytes": 80 * GIB, "memory_used_bytes": 3 * GIB}
A100 = {"name": "NVIDIA A100-SXM4-40GB", "memory_bytes": 40 * GIB, "memory_used_bytes": GIB}
LOOK = """
import json
from workers.devices import describe, find_gpus
gpus = find_gpus()
print(json.dumps([gpus, [device.model_dump() for device in describe(gpus)]]))
"""


def seen(**variables):
    kept = {name: value for name, value in os.environ.items() if name != "CUDA_VISIBLE_DEVICES"}
    environment = {**kept, "PYTHONPATH": os.pathsep.join([str(DRIVER), *sys.path]), **variables}
    ran = subprocess.run([sys.executable, "-c", LOOK], env=environment, capture_output=True, text=True, check=True)
    return json.loads(ran.stdout)


def test_each_gpu_has_its_name_its_memory_and_its_load():
    gpus, devices = seen()
    assert gpus == ["0", "1"]
    assert devices == [
        {"index": 0, **H100, "utilization_percent": 37.0},
        {"index": 1, **A100, "utilization_percent": None},
    ]


@pytest.mark.parametrize(
    ("visible", "gpus"),
    [("1", ["1"]), ("1,0", ["1", "0"]), ("0,-1,1", ["0"]), ("0,7", ["0"]), ("", []), ("-1", []), ("none", [])],
)
def test_a_worker_sees_what_its_environment_lists(visible, gpus):
    found, devices = seen(CUDA_VISIBLE_DEVICES=visible)
    assert found == gpus
    assert [device["name"] for device in devices] == [(H100, A100)[int(gpu)]["name"] for gpu in gpus]


def test_without_a_driver_there_are_none():
    assert seen(HAS_NO_DRIVER="1") == [[], []]
