"""Time and memory of a trainer."""

import os
import subprocess
import sys

import pytest

from hornbeam.settings import Settings
from workers.limits import MemoryLimit, TimeLimit, memory_limit, resident_bytes
from workers.slots import Slots

MIB = 2**20


def settings(**values):
    return Settings(**values)


def spec(max_seconds=None):
    return {"training": {"max_seconds": max_seconds}}


def test_the_time_of_earlier_attempts_counts_and_waiting_does_not():
    spent = {"queued": 1000.0, "starting": 1.0, "training": 58.0}
    assert TimeLimit(spec(60), spent, settings()).check() is None
    assert TimeLimit(spec(59), spent, settings()).check().code == "resources.time_limit"


@pytest.mark.parametrize(
    ("own", "services", "seconds", "advice"),
    [(60, 100, 60, "training.max_seconds"), (100, 60, 60, "operator"), (None, 60, 60, "operator")],
)
def test_the_shorter_limit_holds_and_the_advice_fits(own, services, seconds, advice):
    limit = TimeLimit(spec(own), {"training": 200.0}, settings(max_job_seconds=services))
    error = limit.check()
    assert f"{seconds} s" in error.message
    assert advice in error.suggestion


def test_memory_of_a_whole_process_group_counts():
    hold = (
        "import sys; held = bytearray(60 * 2**20); held[::4096] = b'x' * len(held[::4096]); print(); sys.stdin.read()"
    )
    command = [sys.executable, "-c", f"import subprocess, sys; subprocess.run([sys.executable, '-c', {hold!r}])"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, process_group=0) as parent:
        parent.stdout.readline()
        assert resident_bytes(parent.pid) > 60 * MIB
        error = MemoryLimit(50 * MIB).check(parent.pid)
        assert error.code == "resources.memory_limit"
        assert "50 MiB" in error.message
        assert MemoryLimit(500 * MIB).check(parent.pid) is None
        assert MemoryLimit(0).check(parent.pid) is None
        parent.stdin.close()


def test_a_group_that_is_gone_holds_nothing():
    assert resident_bytes(2**22 + 1) == 0


def test_slots_share_the_machines_memory():
    whole, half = memory_limit(settings(), 1), memory_limit(settings(), 2)
    assert 0 < half <= whole // 2 + 1
    assert memory_limit(settings(max_job_memory_bytes=5), 2) == 5


def test_slots_share_the_cores_and_the_gpus():
    slots = Slots(3, settings(), gpus=["0", "GPU-1"])
    with slots.take() as first, slots.take() as second, slots.take() as third:
        assert [slot.cuda_visible_devices for slot in (first, second, third)] == ["0", "GPU-1", "0"]
        assert {slot.threads for slot in (first, second, third)} == {max(1, len(os.sched_getaffinity(0)) // 3)}
        assert slots.busy == 3
    assert slots.busy == 0


def test_a_slot_without_gpus_chooses_none():
    with Slots(1, settings(threads_per_slot=5)).take() as slot:
        assert (slot.cuda_visible_devices, slot.threads) == (None, 5)


def test_a_slot_comes_back_when_its_job_fails():
    slots = Slots(1, settings())
    with pytest.raises(KeyError), slots.take():
        raise KeyError
    assert slots.busy == 0
