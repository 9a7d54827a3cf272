"""The laws of the artifact store, in an S3-compatible store."""

import subprocess
import sys
from pathlib import Path

import pytest

from hornbeam.errors import ArtifactNotFound, ArtifactStoreUnavailable
from hornbeam.settings import Settings
from hornbeam.storage.artifacts import ArtifactStore
from hornbeam.storage.files import open_artifacts
from hornbeam.testing.artifacts import ArtifactSuite


class TestS3Artifacts(ArtifactSuite):
    @pytest.fixture
    def artifacts(self, s3_endpoint: str, s3_bucket: str, tmp_path: Path) -> ArtifactStore:
        settings = Settings(
            data_dir=tmp_path / "data", artifact_url=f"s3://{s3_bucket}/pre/fix", s3_endpoint_url=s3_endpoint
        )
        return open_artifacts(settings)


def test_another_process_sees_a_file_at_once(s3_endpoint: str, s3_bucket: str, tmp_path: Path) -> None:
    ours, theirs = (_open(s3_endpoint, f"s3://{s3_bucket}") for _ in range(2))
    (tmp_path / "source").write_text("content")
    with pytest.raises(ArtifactNotFound):
        theirs.read("jobs/1/x")
    assert theirs.keys("jobs") == []
    ours.put_file("jobs/1/x", tmp_path / "source")
    assert b"".join(theirs.read("jobs/1/x")) == b"content"
    assert theirs.keys("jobs") == ["jobs/1/x"]


def test_prefixes_of_a_bucket_are_apart(s3_endpoint: str, s3_bucket: str, tmp_path: Path) -> None:
    (tmp_path / "source").write_text("content")
    _open(s3_endpoint, f"s3://{s3_bucket}/one").put_file("jobs/x", tmp_path / "source")
    assert _open(s3_endpoint, f"s3://{s3_bucket}/two/").keys("jobs") == []
    assert _open(s3_endpoint, f"s3://{s3_bucket}/one/").keys("jobs") == ["jobs/x"]


def test_a_bucket_that_is_not_there_is_trouble(s3_endpoint: str, tmp_path: Path) -> None:
    (tmp_path / "source").write_text("content")
    with pytest.raises(ArtifactStoreUnavailable):
        _open(s3_endpoint, "s3://no-such-bucket").put_file("jobs/x", tmp_path / "source")


def test_a_store_that_does_not_answer_is_told_without_its_address(s3_endpoint: str) -> None:
    artifacts = _open("http://127.0.0.1:9", "s3://bucket")  # "discard": nobody listens
    with pytest.raises(ArtifactStoreUnavailable) as caught:
        artifacts.read("jobs/x")
    assert "127.0.0.1" not in str(caught.value)


def test_a_directory_needs_no_s3_library(tmp_path: Path) -> None:
    code = (
        "import sys; from hornbeam.settings import Settings; from hornbeam.storage.files import open_artifacts;"
        "open_artifacts(Settings()).keys('jobs'); print([name for name in ('s3fs', 'botocore') if name in sys.modules])"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True
    )
    assert run.stdout == "[]\n"


def _open(endpoint: str, url: str) -> ArtifactStore:
    return open_artifacts(Settings(artifact_url=url, s3_endpoint_url=endpoint))
