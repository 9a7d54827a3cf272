"""The compose file: valid, pinned, hardened, with secrets that are only defaults, and time enough to stop."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from hornbeam.settings import Settings
from tests.architecture.images import Dockerfile
from tests.architecture.sources import ROOT

FILE = ROOT / "docker-compose.yml"
SERVICES = yaml.safe_load(FILE.read_text())["services"]
OURS = tuple(name for name, service in SERVICES.items() if "build" in service)
LASTING = tuple(name for name in SERVICES if name != "bucket")


def test_it_is_valid():
    program = Path(sys.executable).with_name("check-jsonschema")
    command = [program, "--builtin-schema", "vendor.compose-spec", FILE]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_every_part_is_there():
    assert set(SERVICES) == {"api", "worker", "worker-gpu", "planner", "bucket", "redis", "postgres", "s3"}
    assert set(OURS) == {"api", "worker", "worker-gpu", "planner", "bucket"}


@pytest.mark.parametrize("name", OURS)
def test_ours_are_built_from_a_target_that_exists(name):
    service = SERVICES[name]
    assert service["build"]["target"] in Dockerfile().stages
    assert service["image"] == f"hornbeam-{service['build']['target']}"


@pytest.mark.parametrize("name", sorted(SERVICES.keys() - set(OURS)))
def test_images_of_others_are_pinned(name):
    assert re.search(r":v?\d+\.\d+(\.\d+)?(-[a-z]+)?$", SERVICES[name]["image"])


@pytest.mark.parametrize("name", OURS)
def test_ours_may_do_little(name):
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]


@pytest.mark.parametrize("name", SERVICES)
def test_each_has_an_init_and_a_limit_of_memory(name):
    assert SERVICES[name]["init"] is True
    assert SERVICES[name]["deploy"]["resources"]["limits"]["memory"]


@pytest.mark.parametrize("name", LASTING)
def test_each_that_lasts_comes_back_and_is_watched(name):
    service = SERVICES[name]
    assert service["restart"] == "unless-stopped"
    assert service.get("healthcheck") or Dockerfile().last(service["build"]["target"], "HEALTHCHECK")


@pytest.mark.parametrize("name", OURS)
def test_ours_wait_for_what_they_need(name):
    conditions = {needed: how["condition"] for needed, how in SERVICES[name]["depends_on"].items()}
    if name == "bucket":
        assert conditions == {"s3": "service_healthy"}
    else:
        assert conditions == {
            "postgres": "service_healthy",
            "redis": "service_healthy",
            "bucket": "service_completed_successfully",
        }


def test_a_worker_may_drain_before_it_is_killed():
    drain = Settings.model_fields["drain_seconds"].default
    assert int(SERVICES["worker"]["stop_grace_period"].removesuffix("s")) > drain + 10


def test_no_secret_is_more_than_a_default_for_development():
    secrets = re.findall(r"(?:PASSWORD|SECRET_KEY|SECRET_ACCESS_KEY|REDISCLI_AUTH): (.+)", FILE.read_text())
    assert len(secrets) == 4
    assert all(re.fullmatch(r"\$\{[A-Z0-9_]+:-development-only\}", secret) for secret in secrets)


def test_only_the_api_is_published_and_only_on_this_machine():
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert list(published) == ["api"]
    assert all(port.startswith("127.0.0.1:") for port in published["api"])


def test_gpus_are_reserved_in_their_own_profile():
    service = SERVICES["worker-gpu"]
    assert service["profiles"] == ["gpu"]
    [device] = service["deploy"]["resources"]["reservations"]["devices"]
    assert device == {"driver": "nvidia", "count": "all", "capabilities": ["gpu"]}


def test_redis_keeps_what_it_has():
    command = SERVICES["redis"]["command"]
    assert command[command.index("--maxmemory-policy") + 1] == "noeviction"
    assert command[command.index("--appendonly") + 1] == "yes"
