import hashlib
import os

import pytest

from hornbeam.errors import ArtifactNotFound
from hornbeam.storage.files import DirectoryArtifacts
from workers.table_cache import TableCache


@pytest.fixture
def artifacts(tmp_path):
    return DirectoryArtifacts(tmp_path / "store")


@pytest.fixture
def put(artifacts, tmp_path):
    """Store a table; its key and digest."""

    def stored(content):
        path = tmp_path / "made"
        path.write_bytes(content)
        found = artifacts.put_file(f"datasets/tables/{hashlib.sha256(content).hexdigest()}.arrow", path)
        return found.key, found.sha256

    return stored


def cache(artifacts, tmp_path, most=10**6):
    return TableCache(tmp_path / "cache", artifacts, max_bytes=most)


def test_a_table_is_fetched_once(artifacts, put, tmp_path):
    key, sha256 = put(b"rows")
    tables = cache(artifacts, tmp_path)
    tables.place(key, sha256, tmp_path / "first")
    artifacts.delete(key)
    tables.place(key, sha256, tmp_path / "second")
    assert (tmp_path / "second").read_bytes() == b"rows"


def test_the_last_used_tables_stay_and_what_an_attempt_holds_stays_there(artifacts, put, tmp_path):
    tables = cache(artifacts, tmp_path, most=200)
    names = []
    for number in range(3):
        key, sha256 = put(bytes([number]) * 90)
        tables.place(key, sha256, tmp_path / f"attempt-{number}")
        os.utime(tmp_path / "cache" / f"{sha256}.arrow", (number, number))
        names.append(f"{sha256}.arrow")
    assert {path.name for path in (tmp_path / "cache").iterdir()} == {*names[1:]}
    assert (tmp_path / "attempt-0").read_bytes() == bytes(90)


def test_a_table_that_is_larger_than_the_cache_is_placed_all_the_same(artifacts, put, tmp_path):
    key, sha256 = put(bytes(500))
    cache(artifacts, tmp_path, most=100).place(key, sha256, tmp_path / "attempt")
    assert (tmp_path / "attempt").read_bytes() == bytes(500)


def test_a_table_that_is_gone_or_damaged_is_not_found_and_leaves_nothing(artifacts, put, tmp_path):
    key, sha256 = put(b"rows")
    tables = cache(artifacts, tmp_path)
    with pytest.raises(ArtifactNotFound):
        tables.place(key, "0" * 64, tmp_path / "attempt")
    artifacts.delete(key)
    with pytest.raises(ArtifactNotFound):
        tables.place(key, sha256, tmp_path / "attempt")
    assert not (tmp_path / "attempt").exists()
    assert list((tmp_path / "cache").iterdir()) == []
