"""Bodies as they come: given up when nothing comes, or next to nothing."""

import asyncio

import pytest
from starlette.exceptions import HTTPException
from starlette.requests import Request

from service import receiving
from service.receiving import pieces_of


def request(receive) -> Request:
    return Request({"type": "http", "method": "PUT", "headers": []}, receive)


async def taken(receive) -> bytes:
    return b"".join([piece async for piece in pieces_of(request(receive))])


def test_a_body_in_pieces():
    messages = [{"type": "http.request", "body": body, "more_body": body != b"c"} for body in (b"a", b"", b"b", b"c")]

    async def receive():
        return messages.pop(0)

    assert asyncio.run(taken(receive)) == b"abc"


def test_a_client_that_sends_nothing_is_given_up(monkeypatch):
    monkeypatch.setattr(receiving, "SILENT_SECONDS", 0.05)

    async def receive():
        await asyncio.Event().wait()

    with pytest.raises(HTTPException) as caught:
        asyncio.run(taken(receive))
    assert caught.value.status_code == 408


def test_a_client_that_sends_next_to_nothing_is_given_up(monkeypatch):
    monkeypatch.setattr(receiving, "SILENT_SECONDS", 0.2)
    sent = []

    async def receive():
        await asyncio.sleep(0.02)
        sent.append(1)
        return {"type": "http.request", "body": b"x", "more_body": len(sent) < 1000}

    with pytest.raises(HTTPException) as caught:
        asyncio.run(taken(receive))
    assert caught.value.status_code == 408
    assert len(sent) < 100


def test_a_body_that_breaks_off():
    messages = [{"type": "http.request", "body": b"a", "more_body": True}, {"type": "http.disconnect"}]

    async def receive():
        return messages.pop(0)

    with pytest.raises(HTTPException) as caught:
        asyncio.run(taken(receive))
    assert caught.value.status_code == 400
