"""The process itself: what it reads and writes, and what its limits do."""

import io
import json
import os
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import csv

from hornbeam.ingest.protocol import END, TABLE, IngestAnswer, IngestLimits, IngestRequest
from tests.unit.ingest import files

MIB = 2**20
ENVIRONMENT = {"PYTHONPATH": os.pathsep.join(sys.path), "PATH": os.environ["PATH"]}
# The peak by /proc: `ru_maxrss` would count the test's own memory, which the process had before its exec.
MEASURED = """
import os, pathlib, re, runpy, sys
leave = os._exit
def told(status):
    peak = re.search(r"VmHWM:\\s+(\\d+)", pathlib.Path("/proc/self/status").read_text())[1]
    print(peak, file=sys.stderr, flush=True)
    leave(status)
os._exit = told
sys.argv = ["hornbeam.ingest"]
runpy.run_module("hornbeam.ingest", run_name="__main__")
"""


@pytest.fixture
def process(tmp_path):
    """Runs the process on some bytes; the answer, or None, and what it says to stderr."""

    def run(name, data, *, limits=None, end=True, program=("-m", "hornbeam.ingest")):
        path = tmp_path / "file"
        if data is not None:
            path.write_bytes(data)
        request = IngestRequest(
            path=str(path), name=name, workdir=str(tmp_path), limits=limits or IngestLimits(memory_bytes=1024 * MIB)
        )
        lines = [request.model_dump_json(), str(path.stat().st_size), *([END] if end else [])]
        ended = subprocess.run(
            [sys.executable, *program],
            input="\n".join(lines) + "\n",
            capture_output=True,
            text=True,
            env=ENVIRONMENT,
            cwd=tmp_path,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr
        return (IngestAnswer.model_validate_json(ended.stdout) if ended.stdout else None), ended.stderr

    return run


def test_a_file_becomes_a_table(process, tmp_path):
    told, said = process("a.csv", b"a,b\n1,x\n2,y\n")
    assert not said
    assert told.profile.rows == 2
    assert (tmp_path / TABLE).stat().st_size == told.table_bytes
    with pa.memory_map(str(tmp_path / TABLE)) as file:
        assert pa.ipc.open_file(file).read_all().to_pylist() == [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]


def test_a_refusal_is_an_answer(process):
    told, said = process("a.csv", b"a,b\n1\n")
    assert not said
    assert [finding.code for finding in told.findings] == ["csv.ragged_row"]


def test_nobody_is_answered_when_nobody_waits(process):
    assert process("a.csv", b"a,b\n1,2\n", end=False) == (None, "")


def test_cpu_time_is_limited(process):
    told, said = process("a.csv", b"a,b\n" + b"1.2345,x\n" * 12_000_000, limits=IngestLimits(seconds=1))
    assert [finding.code for finding in told.findings] == ["file.time"]
    assert not said


def test_memory_is_limited(process):
    stream = io.BytesIO()
    Image.new("RGB", (7000, 8000)).save(stream, "PNG")
    told, said = process(
        "a.zip", files.zipped({"a/1.png": stream.getvalue()}), limits=IngestLimits(memory_bytes=250 * MIB)
    )
    assert [finding.code for finding in told.findings] == ["file.memory"]
    assert not said


def test_what_is_written_is_limited(process, tmp_path):
    told, _ = process("a.npy", files.npy(np.zeros((1000, 1000))), limits=IngestLimits(table_bytes=MIB))
    assert [finding.code for finding in told.findings] == ["table.too_large"]
    assert (tmp_path / TABLE).stat().st_size <= 2 * MIB


def test_the_limits_hold_in_the_process(process):
    program = (
        "import json, resource\n"
        "from hornbeam.ingest.limits import limit_this_process\n"
        "from hornbeam.ingest.protocol import IngestLimits\n"
        "limit_this_process(IngestLimits(seconds=5, memory_bytes=2**29, table_bytes=2**30))\n"
        "names = ('CPU', 'DATA', 'FSIZE', 'NOFILE', 'CORE')\n"
        "print(json.dumps([resource.getrlimit(getattr(resource, 'RLIMIT_' + name)) for name in names]))\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, env=ENVIRONMENT, check=True)
    assert json.loads(ended.stdout) == [
        [5, 15],
        [2**29, 2**29],
        [2**30 + MIB, 2**30 + MIB],
        [64, 64],
        [0, 0],
    ]


def test_memory_does_not_grow_with_the_file(process, tmp_path):
    """200 MB of CSV; the answer comes from far less."""
    with (tmp_path / "file").open("wb") as file:
        numbers = np.random.default_rng(0).normal(size=(20_000, 20))
        table = pa.table({f"x{number}": numbers[:, number] for number in range(20)})
        csv.write_csv(table, file)
        size = file.tell()
        while file.tell() < 200_000_000:
            csv.write_csv(table, file, csv.WriteOptions(include_header=False))
    told, said = process("a.csv", None, program=("-c", MEASURED))
    assert told.profile.rows >= 20_000 * (200_000_000 // size)
    assert int(said) * 1024 < 450 * MIB
