"""The compose file's services as plain processes: the same command lines and environments, at other addresses.

What a container engine adds (isolation, restarts, limits) stays untried here.
"""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.architecture.images import Dockerfile
from tests.architecture.sources import ROOT

_INIT = ["tini", "-s", "--"]


@dataclass
class Started:
    """A service that runs."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    grace_seconds: int
    """What the compose file gives it to stop."""
    environment: dict[str, str]


@dataclass
class Composed:
    """The services of the compose file, on this machine.

    Args:
        directory: Takes the logs, and stands for the containers' data directory.
        addresses: What replaces the addresses in command lines and environments.
    """

    directory: Path
    addresses: Mapping[str, str]
    started: dict[str, Started] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._services: dict[str, Any] = yaml.safe_load(interpolated((ROOT / "docker-compose.yml").read_text()))[
            "services"
        ]
        self._images = Dockerfile()

    def start(self, name: str, *more: str) -> Started:
        """Start a service as its container would be; `more` is appended to its command line."""
        log = self.directory / f"{name}.log"
        environment = self._environment(name)
        with log.open("wb") as output:
            process = subprocess.Popen(
                [*self._command(name), *more],
                cwd=self.directory,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        grace = int(self._services[name].get("stop_grace_period", "10s").removesuffix("s"))
        self.started[name] = Started(name, process, log, grace, environment)
        return self.started[name]

    def run(self, name: str) -> None:
        """Run a service that ends by itself, and well."""
        process = self.start(name).process
        assert process.wait(60) == 0, self.started.pop(name).log.read_text()
        del self.started[name]

    def is_healthy(self, name: str) -> bool:
        """What the image's own health check says."""
        check = self._images.last(self._target(name), "HEALTHCHECK").value.partition("CMD ")[2]
        command = self._at_our_addresses(yaml.safe_load(check))
        environment = {**self.started[name].environment, "HOSTNAME": os.uname().nodename}
        return subprocess.run(command, env=environment, capture_output=True, timeout=30, check=False).returncode == 0

    def stop(self, name: str) -> int:
        """SIGTERM, as an engine would; the exit status. Raises TimeoutExpired where an engine would kill."""
        service = self.started.pop(name)
        service.process.terminate()
        try:
            return service.process.wait(service.grace_seconds)
        except subprocess.TimeoutExpired:
            service.process.kill()
            service.process.wait()
            raise

    def close(self) -> None:
        """End what still runs."""
        for service in self.started.values():
            service.process.kill()
            service.process.wait()

    def _target(self, name: str) -> str:
        return str(self._services[name]["build"]["target"])

    def _command(self, name: str) -> list[str]:
        service = self._services[name]
        if "build" not in service:
            return self._at_our_addresses(service["command"])
        assert self._images.last(self._target(name), "ENTRYPOINT").words == _INIT
        return self._at_our_addresses(service.get("command") or self._images.last(self._target(name), "CMD").words)

    def _environment(self, name: str) -> dict[str, str]:
        ours = self._images.environment(self._target(name)) if "build" in self._services[name] else {}
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        named = {**ours, **self._services[name].get("environment", {})}
        return {**{key: self._moved(str(value)) for key, value in named.items()}, "PATH": path}

    def _at_our_addresses(self, command: list[str]) -> list[str]:
        return [self._moved(str(word)) for word in command]

    def _moved(self, text: str) -> str:
        theirs = "|".join(map(re.escape, self.addresses))
        return re.sub(theirs, lambda found: self.addresses[found[0]], text)


def interpolated(text: str) -> str:
    """The compose file where no variable is set: every `${NAME:-default}` is its default."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)
