"""Large files pass through the API process without staying in its memory."""

import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hornbeam.testing.waiting import wait_until
from tests.integration.api.conftest import Api, left_behind, running_api

MEGABYTE = 2**20
SIZE = 256
MOST = 64
"""Megabytes over idle."""


def array(megabytes: int) -> Iterator[bytes]:
    """A NumPy file of so many megabytes, in pieces."""
    header = f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({megabytes * 256}, 4096)}}".ljust(117) + "\n"
    yield b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode()
    block = bytes(range(256)) * 4096
    for _ in range(megabytes):
        yield block


def resident(api: Api) -> int:
    """Megabytes that the API process holds now."""
    status = Path(f"/proc/{api.process.pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) // 1024


@contextmanager
def measured(api: Api) -> Iterator[None]:
    """Fails when the process grows too much meanwhile."""
    idle, peak, done = resident(api), [0], threading.Event()

    def watch() -> None:
        while not done.wait(0.01):
            peak[0] = max(peak[0], resident(api))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
    assert 0 < peak[0] <= idle + MOST


@pytest.fixture(scope="module")
def busy_api():
    with running_api() as api:
        api.http.timeout = 120
        warm_up = api.http.put("/v1/datasets/small.npy", content=array(1))
        assert warm_up.status_code == 201, warm_up.text
        yield api


def test_a_file_as_it_is(busy_api):
    with measured(busy_api):
        answer = busy_api.http.put("/v1/datasets/large.npy", content=array(SIZE))
    assert answer.status_code == 201, answer.text
    assert answer.json()["rows"] == SIZE * 256
    assert busy_api.http.delete(answer.headers["location"]).status_code == 204


def test_a_form(busy_api):
    start = b'--b\r\nContent-Disposition: form-data; name="file"; filename="large.npy"\r\n\r\n'

    def form() -> Iterator[bytes]:
        yield start
        yield from array(SIZE)
        yield b"\r\n--b--\r\n"

    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    with measured(busy_api):
        answer = busy_api.http.post("/v1/datasets", content=form(), headers=headers)
    assert answer.status_code == 201, answer.text
    assert busy_api.http.delete(answer.headers["location"]).status_code == 204


def test_parts(busy_api):
    upload = busy_api.http.post("/v1/uploads", json={"name": "large.npy"}).json()["links"]["self"]
    with measured(busy_api):
        assert busy_api.http.put(f"{upload}/parts/1", content=array(SIZE)).status_code == 200
        answer = busy_api.http.post(f"{upload}/complete")
    assert answer.status_code == 201, answer.text
    with measured(busy_api), busy_api.http.stream("GET", f"{answer.headers['location']}/content") as download:
        assert sum(map(len, download.iter_raw())) == answer.json()["size_bytes"]
    assert busy_api.http.delete(answer.headers["location"]).status_code == 204
    wait_until(lambda: len(left_behind(busy_api)) == 2, what="a store with the small one alone")
