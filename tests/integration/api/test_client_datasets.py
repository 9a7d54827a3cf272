"""The client's datasets, against a service that runs, over connections that break."""

import hashlib
import io
import os

import httpx
import pytest

from hornbeam.client import Hornbeam
from hornbeam.errors import (
    DatasetNotFound,
    DatasetTooLarge,
    InvalidDataset,
    ServiceUnreachable,
    UploadNotFound,
)
from schemas.stored_datasets import ReadingOptions
from tests.integration.api.conftest import FLOWERS, Api, left_behind, running_api

SHA256 = hashlib.sha256(FLOWERS).hexdigest()


class Breaking(httpx.BaseTransport):
    """A network that loses the answers, or the requests, to some calls."""

    def __init__(self) -> None:
        self.inner = httpx.HTTPTransport()
        self.lost_requests: list[str] = []
        """Ends of paths; each is lost once."""
        self.lost_answers: list[str] = []
        self.calls: list[str] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        self.calls.append(f"{request.method} {path}")
        if self._is_one_of(self.lost_requests, path):
            raise httpx.ConnectError("lost")
        response = self.inner.handle_request(request)
        if self._is_one_of(self.lost_answers, path):
            response.read()
            raise httpx.ReadError("lost")
        return response

    def _is_one_of(self, ends: list[str], path: str) -> bool:
        found = next((end for end in ends if path.endswith(end)), None)
        if found is not None:
            ends.remove(found)
        return found is not None

    def close(self) -> None:
        self.inner.close()


@pytest.fixture
def network():
    return Breaking()


@pytest.fixture
def hornbeam(empty_api: Api, network):
    with Hornbeam(str(empty_api.http.base_url), transport=network) as client:
        yield client


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """A CSV file of three parts."""
    path = tmp_path_factory.mktemp("large") / "large.csv"
    with path.open("wb") as file:
        file.write(b"a,b\n")
        for _ in range(70):
            file.write(b"1.5,22222222222\n" * 2**16)
    return path


def test_a_file_is_brought_looked_at_changed_and_deleted(hornbeam, tmp_path):
    path = tmp_path / "flowers.csv"
    path.write_bytes(FLOWERS)
    dataset = hornbeam.datasets.create(path, options={"header": True}, metadata={"team": "vision"})
    assert (dataset.name, dataset.rows, dataset.sha256, dataset.metadata) == (
        "flowers.csv",
        60,
        SHA256,
        {"team": "vision"},
    )
    assert hornbeam.datasets.get(dataset.id) == dataset
    assert list(hornbeam.datasets.list(metadata={"team": "vision"})) == [dataset]
    assert hornbeam.datasets.rows(dataset.id, limit=1, after=1).data == [[5.1, 3.5, "versicolor"]]
    assert hornbeam.datasets.statistics(dataset.id).columns == dataset.columns
    assert hornbeam.datasets.download(dataset.id, tmp_path / "again.csv").read_bytes() == FLOWERS
    changed = hornbeam.datasets.update(dataset.id, name="b.csv", options=ReadingOptions(header=False))
    assert (changed.name, changed.rows) == ("b.csv", 61)
    hornbeam.datasets.delete(dataset.id)
    with pytest.raises(DatasetNotFound):
        hornbeam.datasets.get(dataset.id)
    assert [table.name for table in hornbeam.datasets.builtin()][:2] == ["digits", "iris"]


def test_an_open_file_is_read_from_where_it_is(hornbeam):
    file = io.BytesIO(b"junk" + FLOWERS)
    file.seek(4)
    assert hornbeam.datasets.create(file, name="flowers.csv").sha256 == SHA256


def test_a_pipe_goes_in_parts(hornbeam, network):
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb") as end:
        end.write(FLOWERS)
    with os.fdopen(reading, "rb") as pipe:
        assert hornbeam.datasets.create(pipe, name="flowers.csv").sha256 == SHA256
    assert any(call.endswith("/parts/1") for call in network.calls)


def test_what_is_wrong_with_a_file_is_told(hornbeam, empty_api):
    with pytest.raises(InvalidDataset) as caught:
        hornbeam.datasets.create(io.BytesIO(FLOWERS), name="flowers.csv", options={"kinds": {"knid": "text"}})
    assert [finding.pointer for finding in caught.value.findings] == ["/options/kinds/knid"]
    assert left_behind(empty_api) == []


def test_a_large_file_arrives_over_a_connection_that_breaks(hornbeam, network, large):
    network.lost_requests = ["/parts/1", "/parts/3"]
    network.lost_answers = ["/parts/2", "/complete"]
    dataset = hornbeam.datasets.create(large)
    assert dataset.rows == 70 * 2**16
    assert sum(call.endswith("/parts/2") for call in network.calls) == 2
    assert len(list(hornbeam.datasets.list())) == 1


def test_an_upload_that_was_given_up_goes_on_where_it_stopped(empty_api, network, large):
    network.lost_requests = ["/parts/3"] * 100
    with (
        Hornbeam(str(empty_api.http.base_url), transport=network, retries=1) as hornbeam,
        pytest.raises(ServiceUnreachable) as caught,
    ):
        hornbeam.datasets.create(large)
    upload_id = caught.value.suggestion.split("'")[1]
    network = Breaking()
    with Hornbeam(str(empty_api.http.base_url), transport=network) as hornbeam:
        assert hornbeam.datasets.create(large, upload=upload_id).rows == 70 * 2**16
        assert [call.rpartition("/")[2] for call in network.calls if "/parts/" in call] == ["3"]
        with pytest.raises(UploadNotFound):
            hornbeam.datasets.create(large, upload="up_unknown")


def test_a_file_that_is_too_large_is_refused_before_it_is_sent(tmp_path, large):
    with running_api(HORNBEAM_MAX_DATASET_BYTES="1000") as api, Hornbeam(str(api.http.base_url)) as hornbeam:
        for file in (large, io.BytesIO(FLOWERS)):
            with pytest.raises(DatasetTooLarge):
                hornbeam.datasets.create(file, name="x.csv")
