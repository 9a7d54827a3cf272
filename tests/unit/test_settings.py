"""The settings: defaults that follow from each other, and errors that tell no secret."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from hornbeam.settings import Settings


def test_what_is_not_named_lives_in_the_data_directory(tmp_path, monkeypatch):
    monkeypatch.setenv("HORNBEAM_DATA_DIR", str(tmp_path))
    settings = Settings()
    assert settings.database_url.get_secret_value() == f"sqlite:///{tmp_path}/hornbeam.db"
    assert settings.artifact_url == f"{tmp_path}/artifacts"


def test_what_is_named_stays(monkeypatch):
    monkeypatch.setenv("HORNBEAM_DATABASE_URL", "postgresql+psycopg://db/hornbeam")
    monkeypatch.setenv("HORNBEAM_ARTIFACT_URL", "s3://bucket")
    settings = Settings()
    assert settings.database_url.get_secret_value() == "postgresql+psycopg://db/hornbeam"
    assert settings.artifact_url == "s3://bucket"


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("sqlite:///jobs.db", "sqlite:///{here}/jobs.db"),
        ("sqlite+pysqlite:///a/../jobs.db?timeout=5", "sqlite+pysqlite:///{here}/a/../jobs.db?timeout=5"),
        ("sqlite:////srv/jobs.db", "sqlite:////srv/jobs.db"),
        ("sqlite:///file:jobs.db?uri=true", "sqlite:///file:jobs.db?uri=true"),
        ("sqlite:///:memory:", "sqlite:///:memory:"),
        ("sqlite:///", "sqlite:///"),
        ("sqlite://", "sqlite://"),
        ("postgresql:///hornbeam", "postgresql:///hornbeam"),
    ],
)
def test_a_relative_database_lies_where_the_settings_are_read(tmp_path, monkeypatch, given, meant):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HORNBEAM_DATABASE_URL", given)
    assert Settings().database_url.get_secret_value() == meant.format(here=tmp_path)


def test_files_of_components_are_separated_as_paths_are(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HORNBEAM_COMPONENT_FILES", "/srv/losses.py::layers.py")
    assert Settings().component_files == (Path("/srv/losses.py"), tmp_path / "layers.py")
    monkeypatch.setenv("HORNBEAM_COMPONENT_FILES", "")
    assert Settings().component_files == ()


def test_a_lease_outlasts_a_missed_heartbeat():
    with pytest.raises(ValidationError, match="HORNBEAM_LEASE_SECONDS must be at least twice"):
        Settings(heartbeat_seconds=5, lease_seconds=9)


@pytest.mark.parametrize("wrong", [{"lease_seconds": 1}, {"slots": "hunter2"}])
def test_neither_settings_nor_their_errors_tell_secrets(wrong):
    url = "redis://:hunter2@h"
    with pytest.raises(ValidationError) as raised:
        Settings(redis_url=url, **wrong)
    assert "hunter2" not in str(raised.value)
    assert "hunter2" not in repr(Settings(redis_url=url))


def test_names_of_hosts_are_brought_into_one_form(monkeypatch):
    monkeypatch.setenv("HORNBEAM_ALLOWED_HOSTS", "Hornbeam.Example, 127.0.0.1,::1,[::1]")
    assert Settings().allowed_hosts == ("hornbeam.example", "127.0.0.1", "[::1]", "[::1]")


@pytest.mark.parametrize("wrong", ["", ",", "https://hornbeam.example", "hornbeam.example:8000", "*.example", "a b"])
def test_what_names_no_host_is_refused(monkeypatch, wrong):
    monkeypatch.setenv("HORNBEAM_ALLOWED_HOSTS", wrong)
    with pytest.raises(ValidationError, match="without a port"):
        Settings()
