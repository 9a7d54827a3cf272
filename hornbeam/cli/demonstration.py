"""What `demo` does: the whole path, from a spec file to a model that Keras loads, on a stack of its own."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from hornbeam.cli import pages, tables, wording
from hornbeam.cli.specfiles import parse_spec
from hornbeam.cli.watching import follow
from hornbeam.client import Hornbeam
from hornbeam.embedded.background import BackgroundStack
from hornbeam.embedded.child import Part
from hornbeam.errors import HornbeamError
from hornbeam.settings import Settings
from schemas.checkpoints import ArtifactKind
from schemas.jobs import Job, JobStatus

SPEC = "digits-lstm.yaml"
"""Lies beside this module, so that an installed package has it; in `examples` there is a link to it."""
READY_SECONDS = 180.0
EVALUATION_SECONDS = 180.0


def demonstrate(console: Console, to: Path, *, keep: bool) -> Job:
    """Train the example, save what came of it in `to`, measure the model. Raises HornbeamError."""
    steps = Steps(console)
    data = Path(tempfile.mkdtemp(prefix="hornbeam-demo-"))
    try:
        with _on_its_own(), _interrupted_by_sigterm():
            return _run(steps, Settings(data_dir=data), to)
    except HornbeamError:
        keep = True  # the logs say why
        raise
    finally:
        if keep:
            steps.note(f"the data stays in {data}; to look at it: hornbeam up --data {data}")
        else:
            shutil.rmtree(data)


@dataclass
class Steps:
    """What the demo does, one line each, with the time that it took."""

    console: Console
    _began: float = field(default_factory=time.monotonic)

    @contextmanager
    def doing(self, what: str) -> Iterator[None]:
        """Show that something is under way; in a terminal only."""
        self._began = time.monotonic()
        if not self.console.is_terminal:
            yield
            return
        with self.console.status(what, spinner_style="cyan"):
            yield

    def done(self, what: str, *, timed: bool = False) -> None:
        """Say that something is done."""
        took = f"  {wording.seconds(time.monotonic() - self._began)}" if timed else ""
        self.console.print(Text.assemble(("✓ ", "bold green"), what, (took, "dim")), soft_wrap=True)

    def note(self, what: str) -> None:
        """Say something by the way."""
        self.console.print(Text(f"  {what}", style="dim"), soft_wrap=True)

    def restarted(self, part: Part) -> None:
        """Say that a part had to be started again."""
        self.console.print(Text(f"the {part.name} exited and is started again", style="yellow"))


def _run(steps: Steps, settings: Settings, to: Path) -> Job:
    steps.console.print(Text("Hornbeam demo", style="bold"))
    with ExitStack() as running:
        with steps.doing("Starting Valkey, API, worker and planner"):
            stack = running.enter_context(BackgroundStack(settings, steps.restarted))
        steps.done(f"the service listens on {stack.url}", timed=True)
        with steps.doing("Importing Keras"):
            stack.wait_until_ready(READY_SECONDS)
        steps.done("a worker has imported Keras", timed=True)
        client = running.enter_context(Hornbeam(stack.url))
        job = _train(steps, client)
        if job.status == JobStatus.SUCCEEDED:
            _save(steps, client, job, to)
            _evaluate(steps, to)
    steps.done("everything is stopped")
    return job


def _train(steps: Steps, client: Hornbeam) -> Job:
    text = files("hornbeam.cli").joinpath(SPEC).read_text("utf-8")
    job = client.jobs.create(parse_spec(text, SPEC).document)
    steps.done(f"submitted examples/{SPEC}: {job.id}")
    job, course = follow(client, job.id, steps.console)
    if job.error:
        pages.print_failure(steps.console, job.error)
        return job
    steps.done(f"the training {pages.summary_line(job)}")
    steps.console.print("", tables.result_table(course), "")
    steps.console.print(tables.checkpoint_table(client.jobs.checkpoints(job.id)), "")
    return job


def _save(steps: Steps, client: Hornbeam, job: Job, to: Path) -> None:
    first = (ArtifactKind.MODEL, ArtifactKind.CURVES)
    for artifact in sorted(client.jobs.artifacts(job.id), key=lambda artifact: artifact.kind not in first):
        saved = client.jobs.download_artifact(job.id, artifact.name, to / artifact.name)
        steps.done(f"saved {saved}  {wording.size(artifact.size_bytes)}")


def _evaluate(steps: Steps, to: Path) -> None:
    """Load what was downloaded as any user would, in a fresh process."""
    with steps.doing("Loading the downloaded model with Keras"):
        found = _evaluation_of(to / "model.keras", to / "manifest.json")
    steps.done(
        f"Keras loaded {to / 'model.keras'}: accuracy {found['accuracy']:.4f} on the {found['rows']} digits"
        " that it never saw",
        timed=True,
    )


def _evaluation_of(model: Path, manifest: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "hornbeam.cli.evaluation", str(model.absolute()), str(manifest.absolute())]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    ran = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=EVALUATION_SECONDS, check=False
    )
    if ran.returncode:
        raise HornbeamError(f"The model can't be evaluated: {ran.stderr.strip().splitlines()[-1:]}")
    evaluation: dict[str, Any] = json.loads(ran.stdout.strip().splitlines()[-1])
    return evaluation


@contextmanager
def _on_its_own() -> Iterator[None]:
    """Forget HORNBEAM_* variables: the demo has nothing to do with an installation that they describe."""
    for name in [name for name in os.environ if name.startswith("HORNBEAM_")]:
        del os.environ[name]
    yield


@contextmanager
def _interrupted_by_sigterm() -> Iterator[None]:
    """Have SIGTERM end the demo as Ctrl-C does: everything is stopped."""

    def interrupt(_signum: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
