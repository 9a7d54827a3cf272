"""A CSV file from the first byte of the request to the 201, beside `pyarrow.csv.read_csv` of the same file.

    python -m bench.ingest                                256 MB, and 1 GB
    python -m bench.ingest --megabytes 1024 --rounds 5    another size
    python -m bench.ingest --decimals 17                  numbers as they are computed, not as they are measured

The file has 20 columns of numbers with six decimals, one of integers and one of 12 categories. Arrow reads it in a
process of its own, with threads as they are by default; only the call is timed. Ours is one `PUT` over a Unix socket,
sent with `sendfile`, to an API that runs as `bench.api`'s does: what is timed ends with the answer, in which the
columns have their statistics and digests, and when file and table are on disk in the artifact store. Both take turns,
and each dataset is deleted before the next one comes.

Memory: the API's resident set before the first file, and the highest that it had while they came; of the process that
reads, its highest. CPU seconds are those of the API and of that process together, without the client's. Linux only.
"""

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa
from pyarrow import csv

from bench.servers import Server, Site, serve
from hornbeam.queue.embedded import EmbeddedServer
from hornbeam.settings import Settings

SIZES = (256, 1024)
ROUNDS = 3
AT_LEAST = 0.5
MEGABYTES_AT_MOST = 64
"""That the API may have over what it has while it idles."""
NUMBERS = 20
CATEGORIES = [f"category-{letter}" for letter in "abcdefghijkl"]
BATCH = 65_536
LOOK_SECONDS = 0.05
MB = 2**20
_TICKS = os.sysconf("SC_CLK_TCK")
_READ = """
import resource, sys, time
from pyarrow import csv
began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
table = csv.read_csv(sys.argv[1])
seconds, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF)
print(seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, table.num_rows)
"""


@dataclass(frozen=True)
class Took:
    """One reading of the file."""

    seconds: float
    cpu_seconds: float
    rows: int


def main(arguments: Sequence[str]) -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m bench.ingest")
    parser.add_argument("--megabytes", type=int, nargs="+", default=SIZES, help="sizes of the files")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--decimals", type=int, default=6, help="of the numbers; 17: all")
    options = parser.parse_args(arguments)
    missed = False
    with tempfile.TemporaryDirectory(prefix="hornbeam-bench-") as directory:
        folder = Path(directory)
        valkey = EmbeddedServer(folder / "valkey")
        valkey.start()
        site = Site(folder, Settings(data_dir=folder / "data", redis_url=valkey.url))
        print(f"a CSV file to a dataset, median of {options.rounds}")
        print(f"{'MB':>6}{'rows':>10}{'':>10}{'seconds':>9}{'CPU s':>7}{'MB/s':>6}{'ratio':>7}")
        try:
            for megabytes in options.megabytes:
                path = folder / "bench.csv"
                write_csv(path, megabytes * MB, options.decimals)
                missed |= _compare(site, path, options.rounds)
                path.unlink()
        finally:
            valkey.stop()
    raise SystemExit(missed)


def write_csv(path: Path, size: int, decimals: int) -> None:
    """Write a file of at least so many bytes."""
    random = np.random.default_rng(1)
    names = [*(f"number_{number + 1}" for number in range(NUMBERS)), "count", "category"]
    with path.open("wb") as file:
        file.write((",".join(names) + "\n").encode())
        while file.tell() < size:
            numbers = random.normal(size=(NUMBERS, BATCH))
            columns = [pa.array(column) for column in np.round(numbers, decimals)]
            counts = pa.array(random.integers(0, 1_000_000, BATCH))
            categories = pa.array(CATEGORIES).take(pa.array(random.integers(0, len(CATEGORIES), BATCH)))
            batch = pa.record_batch([*columns, counts, categories], names=names)
            csv.write_csv(batch, file, csv.WriteOptions(include_header=False, quoting_style="none"))


def _compare(site: Site, path: Path, rounds: int) -> bool:
    """Measure one size, in a server of its own; whether something that is wanted was missed."""
    with serve(site, "hornbeam") as server:
        _bring(server, _small(path))
        before = server.megabytes()
        with _peaks(server.process.pid) as peaks:
            pairs = [(_alone(path), _bring(server, path)) for _ in range(rounds)]
    size = path.stat().st_size
    alone, ours = ([pair[side] for pair in pairs] for side in (0, 1))
    if {took.rows for took in alone} != {took.rows for took in ours}:
        raise SystemExit("the numbers of rows differ")
    ratio = statistics.median(one.seconds / other.seconds for one, other in pairs)
    for name, took, told in (("pyarrow", alone, ""), ("over HTTP", ours, f"{ratio:7.2f}, wanted {AT_LEAST}")):
        seconds, cpu = (statistics.median(getattr(one, what) for one in took) for what in ("seconds", "cpu_seconds"))
        print(f"{size / MB:6.0f}{took[0].rows:10,} {name:<9}{seconds:9.2f}{cpu:7.2f}{size / MB / seconds:6.0f}{told}")
    over = peaks[server.process.pid] - before
    reader = max(peak for pid, peak in peaks.items() if pid != server.process.pid)
    print(
        f"{'':16} memory: API {before:.0f} MB before, {over:+.0f} at most, allowed +{MEGABYTES_AT_MOST}; "
        f"reading process {reader:.0f} MB",
        flush=True,
    )
    return ratio < AT_LEAST or over > MEGABYTES_AT_MOST


def _small(path: Path) -> Path:
    """The beginning of the file, which is sent first: what the API loads with its first dataset is no growth."""
    small = path.with_name("small.csv")
    with path.open("rb") as file:
        small.write_bytes(file.read(MB).rpartition(b"\n")[0])
    return small


def _alone(path: Path) -> Took:
    done = subprocess.run([sys.executable, "-c", _READ, str(path)], check=True, capture_output=True, text=True)
    seconds, cpu, rows = done.stdout.split()
    return Took(float(seconds), float(cpu), int(rows))


def _bring(server: Server, path: Path) -> Took:
    """Send a file, and delete the dataset again."""
    cpu, began = _cpu_seconds(server.process.pid), time.perf_counter()
    with path.open("rb") as file:
        head = f"PUT /v1/datasets/{path.name} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {path.stat().st_size}"
        answer = _answer(server, head, file)
    took = time.perf_counter() - began
    cpu = _cpu_seconds(server.process.pid) - cpu
    dataset = json.loads(answer)
    if len(dataset["columns"]) != NUMBERS + 2 or dataset["columns"][0]["mean"] is None:
        raise SystemExit(f"not the dataset that was sent: {answer[:500]!r}")
    _answer(server, f"DELETE /v1/datasets/{dataset['id']} HTTP/1.1\r\nHost: localhost")
    return Took(took, cpu, dataset["rows"])


def _answer(server: Server, head: str, body: BinaryIO | None = None) -> bytes:
    """The body of an answer."""
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(server.socket)
        client.sendall(f"{head}\r\nConnection: close\r\n\r\n".encode())
        if body is not None:
            with suppress(ConnectionError):  # it is refused: the answer says why
                client.sendfile(body)
        answer = b"".join(iter(lambda: client.recv(2**16), b""))
    head_of_answer, _, text = answer.partition(b"\r\n\r\n")
    if not head_of_answer.startswith(b"HTTP/1.1 20"):
        raise SystemExit(answer.decode(errors="replace"))
    return text


def _cpu_seconds(pid: int) -> float:
    """Of a process, and of its children that are gone."""
    times = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:15]
    return sum(map(int, times)) / _TICKS


@contextmanager
def _peaks(pid: int) -> Iterator[dict[int, float]]:
    """The highest resident sets of a process, from now on, and of its children, in MB."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")
    peaks: dict[int, float] = {}
    done = threading.Event()

    def look() -> None:
        while not done.wait(LOOK_SECONDS):
            for one in (pid, *_children(pid)):
                with suppress(OSError, StopIteration):
                    lines = Path(f"/proc/{one}/status").read_text().splitlines()
                    peaks[one] = int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield peaks
    finally:
        done.set()
        looking.join()


def _children(pid: int) -> list[int]:
    found = []
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += [int(child) for child in (task / "children").read_text().split()]
    return found


if __name__ == "__main__":
    main(sys.argv[1:])
