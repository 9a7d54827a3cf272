"""What a process says that can't start as it is set up."""

import importlib
import os

import pytest

from hornbeam.environment import read_settings
from hornbeam.errors import SettingsInvalid
from service.main import create_app


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"SLOTS": "many", "RESEND_SECONDS": "0"}, r"HORNBEAM_SLOTS: .*; HORNBEAM_RESEND_SECONDS: "),
        ({"LEASE_SECONDS": "1"}, r"^HORNBEAM_LEASE_SECONDS must be at least twice HORNBEAM_HEARTBEAT_SECONDS$"),
    ],
)
def test_every_wrong_variable_is_named_and_no_value_is_repeated(monkeypatch, variables, said):
    for name, value in variables.items():
        monkeypatch.setenv(f"HORNBEAM_{name}", value)
    with pytest.raises(SettingsInvalid, match=said) as caught:
        read_settings()
    assert "many" not in caught.value.message


def test_what_is_given_goes_before_the_environment(monkeypatch):
    monkeypatch.setenv("HORNBEAM_SLOTS", "3")
    assert (read_settings(slots=5).slots, read_settings(slots=None).slots) == (5, 3)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("REDIS_URL", "hunter2"),
        ("REDIS_URL", "http://:hunter2@host"),
        ("REDIS_URL", "redis://:hunter2@host:port/0"),
        ("REDIS_URL", "redis://:hunter2@host/name"),
        ("REDIS_URL", "redis://:hunter2@[host/0"),
        ("REDIS_URL", "unix://?db=hunter2"),
        ("DATABASE_URL", "hunter2"),
        ("DATABASE_URL", "mysql://user:hunter2@host/name"),
        ("ARTIFACT_URL", "ftp://hunter2@host"),
        ("ARTIFACT_URL", "file://hunter2/path"),
    ],
)
def test_an_address_that_leads_nowhere_is_noticed_before_anything_starts(monkeypatch, name, value):
    monkeypatch.setenv(f"HORNBEAM_{name}", value)
    with pytest.raises(SettingsInvalid, match=f"^HORNBEAM_{name}: begins with ") as caught:
        read_settings()
    assert "hunter2" not in caught.value.message


@pytest.mark.parametrize(
    "url",
    ["redis://", "redis://host", "rediss://:p@host:6380/", "redis://[::1]:6379/15", "unix:///s", "unix:///s?db=1"],
)
def test_addresses_of_redis(monkeypatch, url):
    monkeypatch.setenv("HORNBEAM_REDIS_URL", url)
    assert read_settings().redis_url.get_secret_value() == url


@pytest.mark.parametrize("start", [create_app, lambda: importlib.import_module("workers.main")], ids=["api", "worker"])
def test_a_process_that_is_set_up_wrongly_ends_with_a_line(monkeypatch, capsys, start):
    monkeypatch.setenv("HORNBEAM_SLOTS", "many")
    with pytest.raises(SystemExit) as caught:
        start()
    assert caught.value.code == os.EX_CONFIG
    assert capsys.readouterr().err.startswith("hornbeam: HORNBEAM_SLOTS: ")
