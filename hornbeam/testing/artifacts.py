"""What every artifact store must do, as a suite of tests. Needs pytest.

class TestMyArtifacts(ArtifactSuite):
    @pytest.fixture
    def artifacts(self):
        ...  # an empty artifact store
"""

import gc
import hashlib
import random
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from hornbeam.errors import ArtifactNotFound, ArtifactStoreUnavailable
from hornbeam.storage.artifacts import ArtifactStore, StoredFile

_KEY = "jobs/job_1/artifacts/model.keras"
_BAD_KEYS = [
    "",
    "/etc/passwd",
    "../secret",
    "jobs/../../secret",
    "jobs/./x",
    "jobs//x",
    "jobs/",
    "jobs/.hidden",
    "jobs\\..\\secret",
    "jobs/\x00",
    "jobs/x\n",
    "jobs/*",
    "s3://bucket/x",
    "C:/x",
    "jobs/é",
    "/".join("x" * 20),
    "x" * 300,
]
_SIZES = [0, 1, 2**20 - 1, 2**20, 2**20 + 1]
_MANY_BLOCKS = 35 * 2**20 + 7


class ArtifactSuite:
    """Everything that an artifact store must do."""

    @pytest.mark.parametrize("size", [*_SIZES, _MANY_BLOCKS])
    def test_what_was_stored_is_read_back(self, artifacts: ArtifactStore, tmp_path: Path, size: int) -> None:
        content = _content(size)
        stored = artifacts.put_file(_KEY, _file(tmp_path, content))
        assert stored == StoredFile(_KEY, size, hashlib.sha256(content).hexdigest())
        chunks = list(artifacts.read(_KEY))
        assert b"".join(chunks) == content
        assert all(0 < len(chunk) <= 2**20 for chunk in chunks)

    @pytest.mark.parametrize(
        ("start", "end"),
        [
            (0, 1),
            (1, 5),
            (2**20 - 1, 2**20 + 1),
            (3_000_000, None),
            (2_999_999, 9_999_999),
            (7, 7),
            (9, 3),
            (9**9, None),
        ],
    )
    def test_a_range_is_read(self, artifacts: ArtifactStore, tmp_path: Path, start: int, end: int | None) -> None:
        content = _content(3_000_000)
        artifacts.put_file(_KEY, _file(tmp_path, content))
        assert b"".join(artifacts.read(_KEY, start=start, end=end)) == content[start:end]

    def test_what_is_there_is_replaced(self, artifacts: ArtifactStore, tmp_path: Path) -> None:
        artifacts.put_file(_KEY, _file(tmp_path, b"old" * 1000))
        artifacts.put_file(_KEY, _file(tmp_path, b"new"))
        assert b"".join(artifacts.read(_KEY)) == b"new"

    def test_a_missing_file_is_noticed_before_the_first_chunk(self, artifacts: ArtifactStore, tmp_path: Path) -> None:
        artifacts.put_file(_KEY, _file(tmp_path, b"x"))
        for key in ("jobs/job_1/artifacts/other", "jobs/job_1/artifacts", "jobs", f"{_KEY}/below", "unknown"):
            with pytest.raises(ArtifactNotFound):
                artifacts.read(key)
            with pytest.raises(ArtifactNotFound):
                artifacts.fetch(key, tmp_path / "fetched", sha256="")

    def test_a_file_is_fetched_whole(self, artifacts: ArtifactStore, tmp_path: Path) -> None:
        content = _content(_MANY_BLOCKS)
        stored = artifacts.put_file(_KEY, _file(tmp_path, content))
        target = tmp_path / "fetched"
        artifacts.fetch(_KEY, target, sha256=stored.sha256)
        assert target.read_bytes() == content

    def test_a_damaged_file_is_not_fetched(self, artifacts: ArtifactStore, tmp_path: Path) -> None:
        artifacts.put_file(_KEY, _file(tmp_path, b"content"))
        (tmp_path / "there").mkdir()
        with pytest.raises(ArtifactNotFound, match="SHA-256"):
            artifacts.fetch(_KEY, tmp_path / "there" / "fetched", sha256="00" * 32)
        assert not list((tmp_path / "there").iterdir())

    @pytest.mark.parametrize("size", [0, 1, _MANY_BLOCKS])
    def test_a_file_is_adopted(self, artifacts: ArtifactStore, size: int) -> None:
        content = _content(size)
        assert artifacts.staging().is_dir()
        staged = _file(artifacts.staging(), content, "staged")
        assert not artifacts.has(_KEY)
        for _ in range(2):
            artifacts.adopt_file(_KEY, staged, sha256=hashlib.sha256(content).hexdigest())
        assert artifacts.has(_KEY)
        staged.unlink()
        assert b"".join(artifacts.read(_KEY)) == content
        assert list(artifacts.staging().iterdir()) == []

    def test_what_is_adopted_replaces_and_may_come_from_anywhere(
        self, artifacts: ArtifactStore, tmp_path: Path
    ) -> None:
        artifacts.put_file(_KEY, _file(tmp_path, b"old"))
        artifacts.adopt_file(_KEY, _file(tmp_path, b"new", "other"), sha256=hashlib.sha256(b"new").hexdigest())
        assert b"".join(artifacts.read(_KEY)) == b"new"

    def test_an_adopted_file_is_put_back_by_who_still_has_it(self, artifacts: ArtifactStore) -> None:
        staged = _file(artifacts.staging(), b"content", "staged")
        for _ in range(2):
            artifacts.adopt_file(_KEY, staged, sha256=hashlib.sha256(b"content").hexdigest())
            artifacts.delete(_KEY)
            assert not artifacts.has(_KEY)
        assert staged.read_bytes() == b"content"

    def test_a_directory_of_files_is_no_file(self, artifacts: ArtifactStore, tmp_path: Path) -> None:
        artifacts.put_file(_KEY, _file(tmp_path, b"x"))
        assert not artifacts.has(_KEY.rpartition("/")[0])
        assert not artifacts.has(f"{_KEY}/below")

    def test_keys_below_a_prefix(self, artifacts: ArtifactStore, tmp_path: Path) -> None:
        source = _file(tmp_path, b"x")
        for key in ("jobs/a/2", "jobs/a/1", "jobs/a/deep/er", "jobs/ab/1", "jobs/b"):
            artifacts.put_file(key, source)
        assert artifacts.keys("jobs/a") == ["jobs/a/1", "jobs/a/2", "jobs/a/deep/er"]
        assert artifacts.keys("jobs") == ["jobs/a/1", "jobs/a/2", "jobs/a/deep/er", "jobs/ab/1", "jobs/b"]
        assert artifacts.keys("jobs/b") == []
        assert artifacts.keys("unknown") == []

    def test_deleting_twice_is_deleting(self, artifacts: ArtifactStore, tmp_path: Path) -> None:
        artifacts.put_file(_KEY, _file(tmp_path, b"x"))
        for _ in range(2):
            artifacts.delete(_KEY)
        assert artifacts.keys("jobs") == []
        with pytest.raises(ArtifactNotFound):
            artifacts.read(_KEY)

    def test_a_tree_is_deleted_up_to_whole_names(self, artifacts: ArtifactStore, tmp_path: Path) -> None:
        source = _file(tmp_path, b"x")
        for key in ("jobs/a/1", "jobs/a/deep/er", "jobs/ab/1"):
            artifacts.put_file(key, source)
        for _ in range(2):
            artifacts.delete_tree("jobs/a")
        assert artifacts.keys("jobs") == ["jobs/ab/1"]
        artifacts.put_file("jobs/a/1", source)
        assert artifacts.keys("jobs/a") == ["jobs/a/1"]

    @pytest.mark.parametrize("key", _BAD_KEYS, ids=lambda key: ascii(key[:20]))
    def test_no_key_leads_out(self, artifacts: ArtifactStore, tmp_path: Path, key: str) -> None:
        source = _file(tmp_path, b"x")
        for call in (
            partial(artifacts.put_file, key, source),
            partial(artifacts.adopt_file, key, source, sha256=""),
            partial(artifacts.has, key),
            partial(artifacts.read, key),
            partial(artifacts.fetch, key, tmp_path / "fetched", sha256=""),
            partial(artifacts.delete, key),
            partial(artifacts.delete_tree, key),
            partial(artifacts.keys, key),
        ):
            with pytest.raises(ValueError, match="not a key"):
                call()

    def test_a_file_that_cannot_be_read_stores_nothing(self, artifacts: ArtifactStore, tmp_path: Path) -> None:
        with pytest.raises(OSError, match="No such file"):
            artifacts.put_file(_KEY, tmp_path / "missing")
        with pytest.raises(OSError, match="No such file"):
            artifacts.adopt_file(_KEY, tmp_path / "missing", sha256="")
        assert artifacts.keys("jobs") == []

    def test_a_file_that_breaks_off_replaces_nothing(self, artifacts: ArtifactStore, tmp_path: Path) -> None:
        artifacts.put_file(_KEY, _file(tmp_path, b"whole"))
        with pytest.raises((OSError, ArtifactStoreUnavailable)):
            artifacts.put_file(_KEY, Path("/proc/self/mem"))  # can be opened, and not be read
        gc.collect()
        assert b"".join(artifacts.read(_KEY)) == b"whole"

    def test_readers_see_the_old_or_the_new_never_a_mixture(self, artifacts: ArtifactStore, tmp_path: Path) -> None:
        sources = [_file(tmp_path, bytes([number]) * 3_000_000, f"source{number}") for number in range(2)]
        artifacts.put_file(_KEY, sources[0])
        with ThreadPoolExecutor(1) as writer:
            writing = writer.submit(lambda: [artifacts.put_file(_KEY, sources[n % 2]) for n in range(10)])
            while not writing.done():
                try:
                    content = b"".join(artifacts.read(_KEY))
                except ArtifactStoreUnavailable:  # it was replaced between two requests, and says so
                    continue
                assert content in {bytes([number]) * 3_000_000 for number in range(2)}
            writing.result()

    def test_many_threads_write_at_once(self, artifacts: ArtifactStore, tmp_path: Path) -> None:
        sources = [_file(tmp_path, _content(50_000 + number), f"source{number}") for number in range(8)]
        with ThreadPoolExecutor(8) as pool:
            stored = list(pool.map(lambda n: artifacts.put_file(f"jobs/job_{n}/x", sources[n]), range(8)))
        for number, file in enumerate(stored):
            assert b"".join(artifacts.read(file.key)) == sources[number].read_bytes()


def _content(size: int) -> bytes:
    return random.Random(size).randbytes(size)  # noqa: S311 - the same each time


def _file(directory: Path, content: bytes, name: str = "source") -> Path:
    path = directory / name
    path.write_bytes(content)
    return path
