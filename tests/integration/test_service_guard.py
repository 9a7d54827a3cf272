"""What a page of another site can have a browser ask, and what it gets."""

import asyncio

import httpx
import pytest

from service.app import build_app

OTHERS = "https://other.example"


def ask(method: str, path: str, *, hosts: tuple[str, ...] = ("*",), **headers: str) -> httpx.Response:
    """The answer to one request. Nothing is opened: `/healthz` is there for all, and 405 is an answer of its own."""

    async def never():
        raise NotImplementedError

    async def answered() -> httpx.Response:
        transport = httpx.ASGITransport(build_app(never, allowed_hosts=hosts))
        async with httpx.AsyncClient(transport=transport, base_url="http://hornbeam.test:8000") as http:
            return await http.request(method, path, headers={k.replace("_", "-"): v for k, v in headers.items()})

    return asyncio.run(answered())


def refused(answer: httpx.Response, status: int, code: str) -> bool:
    is_problem = answer.headers["content-type"] == "application/problem+json"
    return is_problem and answer.status_code == status and answer.json()["code"] == code


@pytest.mark.parametrize("method", ["POST", "DELETE", "PUT", "PATCH"])
@pytest.mark.parametrize(
    "headers",
    [
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site", "Origin": "http://hornbeam.test:8000"},
        {"Sec_Fetch_Site": "something-new"},
        {"Origin": OTHERS},
        {"Origin": "http://hornbeam.test"},
        {"Origin": "null"},
        {"Origin": ""},
    ],
)
def test_another_site_changes_nothing(method, headers):
    answer = ask(method, "/v1/jobs/job_1/cancel", **headers)
    assert refused(answer, 403, "request.cross_site"), answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sec_Fetch_Site": "same-origin", "Origin": "http://hornbeam.test:8000"},
        {"Sec_Fetch_Site": "none"},
        {"Origin": "http://hornbeam.test:8000"},
        {"Origin": "https://HORNBEAM.test:8000"},
        # Behind a proxy that asks under another name: the browser itself says that the page is ours.
        {"Sec_Fetch_Site": "same-origin", "Origin": "https://hornbeam.example"},
    ],
)
def test_programs_and_our_own_pages_pass(headers):
    assert ask("POST", "/healthz", **headers).status_code == 405


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_what_changes_nothing_may_be_linked_to(method):
    assert ask(method, "/healthz", Sec_Fetch_Site="cross-site", Origin=OTHERS).status_code in (200, 405)


@pytest.mark.parametrize("host", ["localhost", "LocalHost:8000", "127.0.0.1:1", "[::1]", "[::1]:8000", "localhost:"])
def test_a_service_answers_under_its_names(host):
    answer = ask("GET", "/nothing", hosts=("localhost", "127.0.0.1", "[::1]"), Host=host)
    assert refused(answer, 404, "path.not_found")


@pytest.mark.parametrize(
    "host", ["other.example", "localhost.other.example", "127.0.0.1.nip.io:8000", "[::2]:8000", ""]
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_and_under_no_other(method, host):
    answer = ask(method, "/nothing", hosts=("localhost", "127.0.0.1", "[::1]"), Host=host)
    assert refused(answer, 421, "request.misdirected")
    assert "HORNBEAM_ALLOWED_HOSTS" in answer.json()["detail"]


def test_probes_come_by_address():
    assert ask("GET", "/healthz", hosts=("hornbeam.example",), Host="10.0.0.7:8000").status_code == 200
