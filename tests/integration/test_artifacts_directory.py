"""The laws of the artifact store, in a directory."""

import os
import resource
import time
from pathlib import Path

import pytest

from hornbeam.environment import read_settings
from hornbeam.errors import ArtifactStoreUnavailable, SettingsInvalid, StorageFull
from hornbeam.settings import Settings
from hornbeam.storage.artifacts import ArtifactStore
from hornbeam.storage.files import DirectoryArtifacts, open_artifacts
from hornbeam.testing.artifacts import ArtifactSuite


class TestDirectoryArtifacts(ArtifactSuite):
    @pytest.fixture
    def artifacts(self, tmp_path: Path) -> ArtifactStore:
        return open_artifacts(Settings(data_dir=tmp_path / "data"))


def test_the_key_is_the_path_and_nothing_else_is_left(tmp_path: Path) -> None:
    (tmp_path / "source").write_text("content")
    DirectoryArtifacts(tmp_path / "root").put_file("jobs/1/x", tmp_path / "source")
    files = [path for path in (tmp_path / "root").rglob("*") if path.is_file()]
    assert files == [tmp_path / "root" / "jobs" / "1" / "x"]


@pytest.mark.parametrize("url", ["{}", "file://{}"])
def test_a_directory_may_be_given_as_path_or_url(tmp_path: Path, url: str) -> None:
    (tmp_path / "source").write_text("content")
    open_artifacts(Settings(artifact_url=url.format(tmp_path / "root"))).put_file("x", tmp_path / "source")
    assert (tmp_path / "root" / "x").read_text() == "content"


@pytest.mark.parametrize("url", ["gs://bucket", "memory://x", "http://host/x", "file://host/x"])
def test_other_kinds_of_stores_are_refused(url: str) -> None:
    with pytest.raises(SettingsInvalid):
        open_artifacts(read_settings(artifact_url=url))


def test_trouble_is_told_without_paths(tmp_path: Path) -> None:
    (tmp_path / "source").write_text("content")
    artifacts = DirectoryArtifacts(tmp_path / "root")
    (tmp_path / "root" / "jobs").write_text("in the way")
    with pytest.raises(ArtifactStoreUnavailable) as caught:
        artifacts.put_file("jobs/1/x", tmp_path / "source")
    assert str(tmp_path) not in str(caught.value)
    assert not list((tmp_path / "root" / ".incoming").iterdir())


def test_a_root_that_cannot_be_made_is_trouble(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ArtifactStoreUnavailable):
        DirectoryArtifacts(tmp_path / "file" / "root")


def test_what_a_killed_writer_left_is_swept_after_a_day(tmp_path: Path) -> None:
    incoming = tmp_path / "root" / ".incoming"
    DirectoryArtifacts(tmp_path / "root")
    for name, age in (("old", 100_000), ("new", 100)):
        (incoming / name).write_text("half")
        (incoming / f"{name}-directory").mkdir()
        (incoming / f"{name}-directory" / "file").write_text("half")
        for path in (name, f"{name}-directory/file", f"{name}-directory"):
            os.utime(incoming / path, (time.time() - age,) * 2)
    os.utime(incoming / "new-directory", (time.time() - 100_000,) * 2)  # a file in it is still being written
    DirectoryArtifacts(tmp_path / "root")
    assert sorted(path.name for path in incoming.iterdir()) == ["new", "new-directory"]


def test_no_room_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(b"x" * 100_000)
    artifacts = DirectoryArtifacts(tmp_path / "root")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))
    try:
        with pytest.raises(StorageFull):
            artifacts.put_file("jobs/1/x", tmp_path / "source")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [path for path in (tmp_path / "root").rglob("*") if path.is_file()] == []
