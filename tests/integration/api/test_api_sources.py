"""Datasets from elsewhere over HTTP: in the real API process as far as it goes, and beside a server on loopback.

Loopback is no public address, so the https tests run the application here, with a resolver and a rule of their own.
"""

import asyncio
import dataclasses
import hashlib
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass

import httpx
import pytest
import s3fs
import uvicorn
from typer.testing import CliRunner

from hornbeam.cli.main import app
from hornbeam.client import Hornbeam
from hornbeam.errors import DigestMismatch, InvalidDataset, SourceNotAllowed, SourceRedirected
from hornbeam.settings import Settings
from hornbeam.testing.waiting import wait_until
from schemas.stored_datasets import Dataset
from service.app import build_app
from service.parts import Parts, open_parts
from service.sources.fetching import Sources
from service.sources.places import Listed
from service.sources.web import Web
from tests.integration.api.conftest import FLOWERS, codes, digest, left_behind, running_api
from tests.integration.source_server import NAME, SourceServer, source_server

SHA256 = hashlib.sha256(FLOWERS).hexdigest()
LIMIT = 100_000


@dataclass
class Fetching:
    """An application that runs here, and the server that it may fetch from."""

    http: httpx.Client
    source: SourceServer
    parts: list[Parts]

    def url(self, path: str = "/flowers.csv") -> str:
        return f"https://{NAME}:{self.source.port}{path}"

    def post(self, **body: object) -> httpx.Response:
        return self.http.post("/v1/datasets", json={"url": self.url(), **body})

    def left_behind(self) -> list[str]:
        artifacts = self.parts[0].artifacts
        return [*artifacts.keys("datasets"), *(path.name for path in artifacts.staging().iterdir())]


async def on_loopback(host: str, port: int) -> Sequence[str]:
    return ["127.0.0.1"]


@contextmanager
def serving(settings: Settings, source: SourceServer, opened: list[Parts]) -> Iterator[str]:
    """The address of an application in a thread, that may fetch from the source."""

    @asynccontextmanager
    async def parts() -> AsyncIterator[Parts]:
        web = Web(20, context=source.authority.trusting(), resolve=on_loopback, is_public=lambda _: True)
        async with open_parts(settings) as own:
            opened.append(dataclasses.replace(own, sources=Sources(Listed([f"{NAME}:{source.port}"], []), web)))
            yield opened[-1]

    server = uvicorn.Server(uvicorn.Config(build_app(parts), log_config=None))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        running = threading.Thread(target=lambda: asyncio.run(server.serve([listener])))
        running.start()
        try:
            wait_until(lambda: server.started, what="the application")
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            running.join(20)


@pytest.fixture(scope="module")
def module_fetching(tmp_path_factory) -> Iterator[Fetching]:
    directory = tmp_path_factory.mktemp("sources")
    settings = Settings(
        data_dir=directory, redis_url=f"unix://{directory}/none.sock", max_dataset_bytes=LIMIT, ingests=1
    )
    opened: list[Parts] = []
    with (
        source_server(directory) as source,
        serving(settings, source, opened) as url,
        httpx.Client(base_url=url, timeout=20) as http,
    ):
        yield Fetching(http, source, opened)


@pytest.fixture
def fetching(module_fetching: Fetching) -> Iterator[Fetching]:
    """Without datasets before and after."""
    module_fetching.source.requests.clear()
    module_fetching.source.gives(FLOWERS, b"Content-Type: text/csv")
    yield module_fetching
    for dataset in module_fetching.http.get("/v1/datasets").json()["data"]:
        assert module_fetching.http.delete(dataset["links"]["self"]).status_code == 204
    wait_until(lambda: module_fetching.left_behind() == [], what="an empty store")


class TestHosts:
    def test_a_file_that_lies_elsewhere_becomes_a_dataset(self, fetching):
        answer = fetching.post(metadata={"team": "vision"}, sha256=SHA256)
        assert answer.status_code == 201, answer.text
        dataset = Dataset.model_validate_json(answer.content)
        assert answer.headers["location"] == dataset.links["self"]
        assert (dataset.name, dataset.rows, dataset.sha256, dataset.metadata) == (
            "flowers.csv",
            60,
            SHA256,
            {"team": "vision"},
        )
        assert fetching.http.get(dataset.links["content"]).content == FLOWERS

    def test_name_and_options_go_with_it(self, fetching):
        url = fetching.url("/download?id=7")
        body = {"url": url, "name": "f.txt", "options": {"format": "csv", "header": False}, "metadata": {"a": "1"}}
        answer = fetching.http.post("/v1/datasets", params={"metadata[b]": "2"}, json=body)
        assert answer.status_code == 201, answer.text
        found = answer.json()
        assert (found["name"], found["rows"], found["metadata"]) == ("f.txt", 61, {"a": "1", "b": "2"})
        stands_before = fetching.http.post("/v1/datasets", params={"header": True}, json=body)
        assert stands_before.json()["rows"] == 60

    def test_what_cannot_be_read_has_findings(self, fetching):
        fetching.source.gives(b"no array at all" * 100)
        answer = fetching.post(name="x.npy")
        assert (answer.status_code, answer.json()["code"]) == (422, "dataset.invalid")
        assert answer.json()["errors"]

    def test_another_file_than_was_announced(self, fetching):
        answer = fetching.post(sha256="0" * 64)
        assert (answer.status_code, answer.json()["code"]) == (422, "digest.mismatch")

    def test_a_file_that_is_too_large_whether_its_host_says_so_or_not(self, fetching):
        pieces = b"".join(b"3e8\r\n%b\r\n" % (b"x" * 1000) for _ in range(LIMIT // 500))
        fetching.source.says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", pieces, b"0\r\n\r\n")
        assert (fetching.post().status_code, fetching.post().json()["code"]) == (413, "dataset.too_large")
        fetching.source.gives(b"x" * (LIMIT + 1))
        assert fetching.post().json()["code"] == "dataset.too_large"

    @pytest.mark.parametrize(
        ("said", "status", "code"),
        [
            (
                b"HTTP/1.1 302 Found\r\nLocation: https://127.0.0.1/\r\nContent-Length: 0\r\n\r\n",
                422,
                "source.redirect",
            ),
            (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", 502, "source.status"),
            (b"HTTP/1.0 200 OK\r\n\r\na,b\n", 502, "source.unusable"),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\na,b\n1,2\n", 502, "source.unreachable"),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_a_source_that_does_not_give_it(self, fetching, said, status, code):
        fetching.source.says(said)
        answer = fetching.post()
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert "127.0.0.1" not in answer.text

    @pytest.mark.parametrize(
        "said", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\na,b\n"], ids=["head", "body"]
    )
    def test_a_client_that_goes_away_ends_the_fetch(self, fetching, said):
        """The one place is free again for the next."""
        gone = threading.Event()
        fetching.source.answer = until_closed(said, gone)
        with socket.create_connection((fetching.http.base_url.host, fetching.http.base_url.port)) as connection:
            body = b'{"url": "%b"}' % fetching.url().encode()
            head = (
                b"POST /v1/datasets HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
            )
            connection.sendall(head % len(body) + body)
            wait_until(lambda: fetching.source.requests, what="the request to the source")
        assert gone.wait(10), "the connection to the source was closed"
        fetching.source.gives(FLOWERS)
        assert fetching.post().status_code == 201


class TestFromTheClient:
    def test_it_brings_what_lies_elsewhere(self, fetching):
        with Hornbeam(str(fetching.http.base_url)) as hornbeam:
            dataset = hornbeam.datasets.create_from(
                fetching.url(), name="f.csv", options={"header": False}, metadata={"a": "1"}, sha256=SHA256
            )
            assert (dataset.name, dataset.rows, dataset.metadata) == ("f.csv", 61, {"a": "1"})
            with pytest.raises(DigestMismatch):
                hornbeam.datasets.create_from(fetching.url(), sha256="0" * 64)
            fetching.source.says(b"HTTP/1.1 301 X\r\nContent-Length: 0\r\n\r\n")
            with pytest.raises(SourceRedirected, match="Name the URL"):
                hornbeam.datasets.create_from(fetching.url())
            with pytest.raises(SourceNotAllowed):
                hornbeam.datasets.create_from("https://other.example.org/x.csv")
            with pytest.raises(InvalidDataset) as caught:
                hornbeam.datasets.create_from("ftp://data.example.org/x.csv")
            assert [finding.pointer for finding in caught.value.findings] == ["/url"]

    def test_so_does_the_command_line(self, fetching, monkeypatch):
        monkeypatch.setenv("HORNBEAM_SERVER", str(fetching.http.base_url))
        added = CliRunner().invoke(app, ["datasets", "add", fetching.url(), "--kind", "width=category"])
        assert added.exit_code == 0, added.output
        assert "csv, 60 rows" in added.stdout
        refused = CliRunner().invoke(app, ["datasets", "add", "http://data.example.org/x.csv"])
        assert refused.exit_code == 3
        assert "https://" in refused.stderr

    def test_which_refuses_another_file_than_was_announced(self, fetching, monkeypatch):
        monkeypatch.setenv("HORNBEAM_SERVER", str(fetching.http.base_url))
        add = ["datasets", "add", "--sha256"]
        assert CliRunner().invoke(app, [*add, SHA256, fetching.url()]).exit_code == 0
        refused = CliRunner().invoke(app, [*add, "0" * 64, fetching.url()])
        assert (refused.exit_code, SHA256 in refused.stderr) == (3, True), refused.stderr
        here = CliRunner().invoke(app, [*add, SHA256, __file__])
        assert (here.exit_code, "--sha256" in here.stderr) == (2, True)


def until_closed(said: bytes, gone: threading.Event) -> Callable[[ssl.SSLSocket], None]:
    """An answer that stops, and notices when nobody waits for the rest."""

    def answer(connection: ssl.SSLSocket) -> None:
        connection.sendall(said)
        with suppress(ConnectionError, ssl.SSLError):  # but no timeout
            connection.recv(1)
        gone.set()

    return answer


class TestAsking:
    @pytest.mark.parametrize("url", ["https://data.example.org/x.csv", "s3://bucket/x.csv"])
    def test_it_is_off_where_nothing_is_listed(self, empty_api, url):
        answer = empty_api.http.post("/v1/datasets", json={"url": url})
        assert (answer.status_code, answer.json()["code"]) == (422, "source.not_allowed")
        assert "HORNBEAM_SOURCE_" in answer.json()["detail"]

    @pytest.mark.parametrize(
        ("body", "expected"),
        [
            ({}, [("", "field.missing")]),
            ({"url": "http://data.example.org/x.csv"}, [("/url", "field.value")]),
            ({"url": "https://data.example.org/x.csv", "nmae": "x"}, [("/nmae", "field.unknown")]),
            ({"url": "https://data.example.org/x.csv", "sha256": "x"}, [("/sha256", "field.value")]),
            (
                {"url": "https://data.example.org/x.csv", "options": {"haeder": 1}},
                [("/options/haeder", "field.unknown")],
            ),
            ([1], [("", "json.not_an_object")]),
        ],
        ids=repr,
    )
    def test_what_is_said_about_it_is_checked(self, empty_api, body, expected):
        answer = empty_api.http.post("/v1/datasets", json=body)
        assert answer.status_code == 422
        assert codes(answer) == expected

    def test_a_file_without_a_name_is_told_apart(self, empty_api):
        answer = empty_api.http.post("/v1/datasets", content=b'{"a": 1}', headers={"Content-Type": "application/json"})
        assert answer.status_code == 422
        assert "?name=" in answer.json()["detail"]

    def test_json_with_a_name_in_the_query_is_the_file(self, empty_api):
        rows = b'{"url": "https://data.example.org/x", "n": 1}\n{"url": "https://data.example.org/y", "n": 2}\n'
        headers = {"Content-Type": "application/json", "Content-Digest": digest(rows)}
        answer = empty_api.http.post("/v1/datasets?name=pages.jsonl", content=rows, headers=headers)
        assert answer.status_code == 201, answer.text
        assert [column["name"] for column in answer.json()["columns"]] == ["url", "n"]

    def test_it_is_small(self, empty_api):
        answer = empty_api.http.post("/v1/datasets", json={"url": "https://x/" + "x" * 2**20})
        assert (answer.status_code, answer.json()["code"]) == (413, "body.too_large")


def test_the_real_process_refuses_a_listed_name_that_leads_inside():
    with running_api(HORNBEAM_SOURCE_HOSTS="localhost") as api:
        answer = api.http.post("/v1/datasets", json={"url": "https://localhost/x.csv"})
        assert (answer.status_code, answer.json()["code"]) == (422, "source.private_address")
        other = api.http.post("/v1/datasets", json={"url": "https://127.0.0.1/x.csv"})
        assert (other.status_code, codes(other)) == (422, [("/url", "field.value")])


def test_a_file_in_a_bucket(s3_endpoint, s3_bucket):
    s3fs.S3FileSystem(endpoint_url=s3_endpoint, skip_instance_cache=True).pipe_file(f"{s3_bucket}/a/f.csv", FLOWERS)
    with running_api(HORNBEAM_SOURCE_BUCKETS=f"{s3_bucket}/a", HORNBEAM_S3_ENDPOINT_URL=s3_endpoint) as api:
        answer = api.http.post("/v1/datasets", json={"url": f"s3://{s3_bucket}/a/f.csv"})
        assert answer.status_code == 201, answer.text
        assert (answer.json()["name"], answer.json()["sha256"]) == ("f.csv", SHA256)
        for key, status, code in (("a/none.csv", 502, "source.status"), ("b/f.csv", 422, "source.not_allowed")):
            refused = api.http.post("/v1/datasets", json={"url": f"s3://{s3_bucket}/{key}"})
            assert (refused.status_code, refused.json()["code"]) == (status, code)
            assert s3_endpoint not in refused.text
        assert api.http.delete(answer.headers["location"]).status_code == 204
        wait_until(lambda: left_behind(api) == [], what="an empty store")
