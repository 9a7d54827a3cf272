"""Files from an S3-compatible store: read in pieces, and errors that tell no address."""

import asyncio

import pytest
import s3fs

from hornbeam.errors import DatasetTooLarge, SourceNotAllowed, SourceStatus, SourceUnreachable
from hornbeam.settings import Settings
from hornbeam.storage.files import CHUNK
from service.sources.fetching import Sources, open_sources

CONTENT = b"a,b\n1,2\n" * 700_000


@pytest.fixture
def bucket(s3_endpoint, s3_bucket):
    """With two objects in it."""
    files = s3fs.S3FileSystem(endpoint_url=s3_endpoint, skip_instance_cache=True)
    for key, content in (("open/x.csv", CONTENT), ("secret/y.csv", b"a,b\n3,4\n")):
        files.pipe_file(f"{s3_bucket}/{key}", content)
    return s3_bucket


def sources(endpoint: str, *buckets: str, **more) -> Sources:
    return open_sources(Settings(source_buckets=buckets, s3_endpoint_url=endpoint, **more))


def fetch(from_these: Sources, url: str, limit: int = 10**9) -> list[bytes]:
    async def taken() -> list[bytes]:
        async with from_these.open(from_these.place(url), limit=limit) as pieces:
            return [piece async for piece in pieces]

    return asyncio.run(taken())


def test_an_object_comes_in_pieces(s3_endpoint, bucket):
    pieces = fetch(sources(s3_endpoint, bucket), f"s3://{bucket}/open/x.csv")
    assert b"".join(pieces) == CONTENT
    assert max(map(len, pieces)) <= CHUNK < len(CONTENT)


def test_only_what_is_listed_can_be_named(s3_endpoint, bucket):
    from_these = sources(s3_endpoint, f"{bucket}/open")
    assert fetch(from_these, f"s3://{bucket}/open/x.csv")
    with pytest.raises(SourceNotAllowed):
        fetch(from_these, f"s3://{bucket}/secret/y.csv")


@pytest.mark.parametrize("key", ["none.csv", "open", "open/x.csv/y"])
def test_an_object_that_is_not_there(s3_endpoint, bucket, key):
    with pytest.raises(SourceStatus) as caught:
        fetch(sources(s3_endpoint, bucket), f"s3://{bucket}/{key}")
    assert caught.value.message == "There is no such object."


def test_a_bucket_that_is_not_there(s3_endpoint):
    with pytest.raises(SourceStatus):
        fetch(sources(s3_endpoint, "no-such-bucket"), "s3://no-such-bucket/x.csv")


def test_an_object_that_is_too_large(s3_endpoint, bucket):
    with pytest.raises(DatasetTooLarge):
        fetch(sources(s3_endpoint, bucket), f"s3://{bucket}/open/x.csv", limit=1000)


def test_a_store_that_does_not_answer_is_told_without_its_address(s3_endpoint):
    with pytest.raises(SourceUnreachable) as caught:
        fetch(sources("http://127.0.0.1:9", "some-bucket"), "s3://some-bucket/x.csv")
    assert "127.0.0.1" not in caught.value.message


def test_an_object_that_takes_too_long(s3_endpoint, bucket):
    with pytest.raises(SourceUnreachable, match="seconds"):
        fetch(sources(s3_endpoint, bucket, source_seconds=1e-9), f"s3://{bucket}/open/x.csv")


def test_an_object_that_is_replaced_while_it_is_read(s3_endpoint, bucket):
    files = s3fs.S3FileSystem(endpoint_url=s3_endpoint, skip_instance_cache=True)
    from_these = sources(s3_endpoint, bucket)

    async def taken() -> None:
        async with from_these.open(from_these.place(f"s3://{bucket}/open/x.csv"), limit=10**9) as pieces:
            assert CONTENT.startswith(await anext(pieces))
            await asyncio.to_thread(files.pipe_file, f"{bucket}/open/x.csv", b"short")
            async for _ in pieces:
                pass

    with pytest.raises(SourceUnreachable):
        asyncio.run(taken())


def test_nothing_is_opened_where_nothing_is_listed():
    with pytest.raises(SourceNotAllowed):
        fetch(open_sources(Settings()), "s3://some-bucket/x.csv")
