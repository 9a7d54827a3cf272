"""What bad files, bad requests and bad luck get: a clear problem, and nothing half-stored."""

import os
import resource
import signal
import socket

import pytest

from hornbeam.testing.waiting import wait_until
from tests.integration.api.conftest import FLOWERS, codes, digest, left_behind, readers, running_api


class TestRefusing:
    def test_a_file_that_cannot_be_read_says_what_is_wrong_and_leaves_nothing(self, empty_api):
        answer = empty_api.http.post("/v1/datasets?name=x.npy", content=b"no array at all" * 100)
        assert (answer.status_code, answer.json()["code"]) == (422, "dataset.invalid")
        assert answer.json()["errors"]
        assert left_behind(empty_api) == []

    @pytest.mark.parametrize("name", ["Content-Digest", "Repr-Digest"])
    def test_a_digest_is_compared(self, empty_api, name):
        sent = {"params": {"name": "flowers.csv"}, "content": FLOWERS}
        wrong = empty_api.http.post("/v1/datasets", **sent, headers={name: digest(b"other")})
        assert (wrong.status_code, wrong.json()["code"]) == (422, "digest.mismatch")
        assert left_behind(empty_api) == []
        right = empty_api.http.post("/v1/datasets", **sent, headers={name: f"sha-512=:AAAA:, {digest(FLOWERS)}"})
        assert right.status_code == 201

    def test_the_digest_of_a_form_is_that_of_all_of_it(self, empty_api):
        start = b'--b\r\nContent-Disposition: form-data; name="file"; filename="x.csv"\r\n\r\n'
        body = start + FLOWERS + b"\r\n--b--\r\n"
        headers = {"Content-Type": "multipart/form-data; boundary=b"}
        for about, status in ((FLOWERS, 422), (body, 201)):
            sent = {**headers, "Content-Digest": digest(about)}
            assert empty_api.http.post("/v1/datasets", content=body, headers=sent).status_code == status

    @pytest.mark.parametrize("header", ["sha-256=:short:", "sha-256=abc", "sha-256=:AAAA:"])
    def test_a_digest_that_is_none_is_refused(self, empty_api, header):
        answer = empty_api.http.put("/v1/datasets/x.csv", content=FLOWERS, headers={"Content-Digest": header})
        assert (answer.status_code, answer.json()["code"]) == (422, "parameter.invalid")

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ({}, ("/name", "field.missing")),
            ({"name": ""}, ("/name", "field.value")),
            ({"name": "a/b.csv"}, ("/name", "field.value")),
            ({"name": "a\x00.csv"}, ("/name", "field.value")),
            ({"name": "x" * 129}, ("/name", "field.value")),
            ({"name": "x.csv", "options": "{"}, ("/options", "json.malformed")),
            ({"name": "x.csv", "options": '{"haeder": true}'}, ("/options/haeder", "field.unknown")),
            ({"name": "x.csv", "options": '{"header": "yes"}'}, ("/options/header", "field.value")),
            ({"name": "x.csv", "metadata[k]": "v" * 600}, ("/metadata", "field.value")),
            ({"name": "x.csv", "format": "pickle"}, ("/query/format", "parameter.enum")),
            ({"name": "x.csv", "nmae": "y"}, ("/query/nmae", "parameter.unknown")),
        ],
        ids=repr,
    )
    def test_what_is_said_about_it_is_checked(self, empty_api, query, expected):
        answer = empty_api.http.post("/v1/datasets", params=query, content=FLOWERS)
        assert answer.status_code == 422
        assert codes(answer) == [expected]

    @pytest.mark.parametrize(
        ("body", "code"),
        [
            (b"--b\r\nno form", "form.malformed"),
            (b"", "form.malformed"),
            (b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\na,b\r\n', "form.malformed"),
            (b'--b\r\nContent-Disposition: form-data; name="name"\r\n\r\nx\r\n--b--\r\n', "form.no_file"),
            (b'--b\r\nContent-Disposition: form-data; name="fiel"\r\n\r\nx\r\n--b--\r\n', "field.unknown"),
            (b'--b\r\nContent-Disposition: form-data; name="name"\r\n\r\n\xff\r\n--b--\r\n', "form.not_utf8"),
            (
                b'--b\r\nContent-Disposition: form-data; name="name"\r\n\r\n' + b"x" * 70_000 + b"\r\n--b--\r\n",
                "form.field_too_long",
            ),
            (b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\nx\r\n' * 2 + b"--b--\r\n", "form.two_files"),
            (b"--b\r\n" + b"X: y\r\n" * 5000 + b"\r\n", "form.malformed"),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_a_form_that_is_none(self, empty_api, body, code):
        headers = {"Content-Type": "multipart/form-data; boundary=b"}
        answer = empty_api.http.post("/v1/datasets", content=body, headers=headers)
        assert answer.status_code == 422
        assert [found for _, found in codes(answer)] == [code]
        assert left_behind(empty_api) == []

    def test_an_encoded_body_is_not_undone(self, empty_api):
        answer = empty_api.http.put("/v1/datasets/x.csv", content=FLOWERS, headers={"Content-Encoding": "gzip"})
        assert answer.status_code == 415

    def test_other_routes_keep_their_limit(self, empty_api):
        assert empty_api.http.post("/v1/jobs", json={"x": "y" * 2**20}).status_code == 413

    def test_a_client_that_goes_away_leaves_nothing(self, empty_api):
        address = (empty_api.http.base_url.host, empty_api.http.base_url.port)
        head = b"POST /v1/datasets?name=x.csv HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n"
        with socket.create_connection(address) as connection:
            connection.sendall(head + FLOWERS)
            wait_until(lambda: readers(empty_api), what="a process that reads")
        wait_until(lambda: left_behind(empty_api) == [], what="an empty store")
        wait_until(lambda: not readers(empty_api), what="the end of the process that reads")
        assert empty_api.http.get("/v1/datasets").json()["data"] == []

    def test_a_reader_that_dies_is_a_problem(self, empty_api):
        def pieces():
            yield FLOWERS
            for reader in wait_until(lambda: readers(empty_api), what="a process that reads"):
                os.kill(reader, signal.SIGKILL)
            yield FLOWERS

        answer = empty_api.http.post("/v1/datasets?name=x.csv", content=pieces())
        assert answer.status_code == 422
        assert codes(answer) == [("", "reader.ended")]
        assert left_behind(empty_api) == []


@pytest.fixture(scope="module")
def narrow():
    with running_api(HORNBEAM_MAX_DATASET_BYTES="100000", HORNBEAM_INGESTS="1", HORNBEAM_INGEST_SECONDS="2") as api:
        yield api


class TestLimits:
    def test_a_file_that_is_too_large_is_refused_whether_it_says_so_or_not(self, narrow):
        large = FLOWERS * 200

        def pieces():
            yield from (large[start : start + 1000] for start in range(0, len(large), 1000))

        for content in (large, pieces()):
            answer = narrow.http.put("/v1/datasets/x.csv", content=content)
            assert (answer.status_code, answer.json()["code"]) == (413, "dataset.too_large")
        form = narrow.http.post("/v1/datasets", files={"file": ("x.csv", large)})
        assert form.status_code == 413
        wait_until(lambda: left_behind(narrow) == [], what="an empty store")

    def test_a_reader_that_does_not_answer_is_given_up(self, narrow):
        def pieces():
            yield FLOWERS
            for reader in wait_until(lambda: readers(narrow), what="a process that reads"):
                os.kill(reader, signal.SIGSTOP)

        answer = narrow.http.post("/v1/datasets?name=x.csv", content=pieces())
        assert answer.status_code == 422
        assert codes(answer) == [("", "reader.silent")]
        assert readers(narrow) == []

    def test_only_so_many_read_at_once(self, narrow):
        def slowly():
            yield FLOWERS
            waiting = narrow.http.post("/v1/datasets?name=y.csv", content=FLOWERS)
            assert (waiting.status_code, waiting.json()["code"]) == (503, "ingest.busy")
            assert int(waiting.headers["retry-after"]) > 0
            yield FLOWERS[18:]

        assert narrow.http.post("/v1/datasets?name=x.csv", content=slowly()).status_code == 201
        assert narrow.http.put("/v1/datasets/x.csv", content=FLOWERS).status_code == 201

    def test_a_full_disk_is_said_and_leaves_nothing(self, own_api):
        large = FLOWERS * 3000
        before = resource.prlimit(own_api.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(own_api.process.pid, resource.RLIMIT_FSIZE, (2**20, before[1]))
        answer = own_api.http.put("/v1/datasets/x.csv", content=large)
        assert (answer.status_code, answer.json()["code"]) == (507, "storage.full")
        assert left_behind(own_api) == []
        resource.prlimit(own_api.process.pid, resource.RLIMIT_FSIZE, before)
        assert own_api.http.get("/v1/datasets").json()["data"] == []
