"""`hornbeam show`: a job on one page."""

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from hornbeam.cli import tables, wording
from hornbeam.cli.findings import print_findings
from schemas.jobs import Job, JobError, Queue

_WAITING = {
    "slots_busy": "every slot is busy",
    "no_worker": "no worker is alive",
    "no_matching_worker": "no worker has what the job needs",
}


def headline(job: Job) -> Text:
    """Name, id and status on one line."""
    status = Text(job.status, style=f"bold {wording.STATUS_STYLE.get(job.status, '')}")
    return Text.assemble((f"{job.name}  " if job.name else "", "bold"), (f"{job.id}  ", "dim"), status)


def print_job(console: Console, job: Job) -> None:
    """Print the page."""
    console.print(headline(job))
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", justify="right")
    grid.add_column(overflow="fold")
    for name, value in _facts(job):
        grid.add_row(name, wording.visible(value))
    console.print(grid)
    if job.error:
        console.print()
        print_failure(console, job.error)
    if job.findings:
        console.print()
        print_findings(console, job.findings)


def print_failure(console: Console, error: JobError) -> None:
    """Why a job failed, with the last lines of its log."""
    console.print(
        Text.assemble(("failed", "bold red"), f"[{error.code}]: ", (wording.visible(error.message), "bold")),
        soft_wrap=True,
    )
    where = {} if error.where is None else error.where.model_dump(exclude_none=True)
    if where:
        console.print(Text("  at " + ", ".join(f"{name} {value}" for name, value in where.items())))
    if error.suggestion:
        console.print(Text.assemble(("  help: ", "bold green"), error.suggestion))
    for line in error.log_tail:
        console.print(Text(f"  | {line}", style="dim"), soft_wrap=True)


def summary_line(job: Job) -> str:
    """What became of a job, in a line: `succeeded in 12.3 s`."""
    began, ended = job.started_at, job.finished_at
    took = f" in {wording.seconds((ended - began).total_seconds())}" if began and ended else ""
    return f"{job.status}{took}"


def waiting_line(queue: Queue) -> str:
    """Why a job waits, and how long yet."""
    eta = f", about {wording.seconds(queue.eta_seconds)} yet" if queue.eta_seconds else ""
    return f"position {queue.position}: {_WAITING.get(queue.reason, queue.reason)}{eta}"


def _facts(job: Job) -> Iterator[tuple[str, str]]:
    spec = job.spec
    yield "created", f"{wording.moment(job.created_at)}, {wording.ago(job.created_at)}"
    if job.started_at and job.finished_at:
        yield "took", wording.seconds((job.finished_at - job.started_at).total_seconds())
    yield "dataset", _dataset(spec.get("dataset", {}))
    yield "model", " > ".join(_layer(layer) for layer in spec.get("model", {}).get("layers", []))
    yield "loss", _type_of(spec.get("loss"))
    yield "optimizer", _type_of(spec.get("optimizer"))
    training = spec.get("training", {})
    yield (
        "training",
        ", ".join(f"{name} {training[name]}" for name in ("epochs", "batch_size", "seed") if name in training),
    )
    if job.metadata:
        yield "metadata", ", ".join(f"{name}={value}" for name, value in job.metadata.items())
    yield from _news(job)


def _news(job: Job) -> Iterator[tuple[str, str]]:
    if job.queue:
        yield "waits", waiting_line(job.queue)
    if job.attempt:
        yield "attempt", f"{job.attempt}" + (f" on {job.worker}" if job.worker else "")
    if job.phase:
        yield "phase", wording.PHASES.get(job.phase, job.phase)
    if job.progress and not job.terminal:
        progress = job.progress
        step = f"step {progress.step}/{progress.steps_per_epoch}"
        yield (
            "progress",
            f"epoch {tables.epoch_of(job)}, {step}, {progress.percent:.0f} %, {wording.left(progress.eta_seconds)}",
        )
    for name, epoch in (("best", job.summary.best), ("last", job.summary.last)):
        if epoch:
            yield name, f"epoch {epoch.epoch}: {wording.metrics(epoch.metrics)}"
    if job.summary.test:
        yield "test", wording.metrics(job.summary.test)
    if job.timings:
        yield "timings", ", ".join(f"{name} {wording.seconds(value)}" for name, value in job.timings.items())
    yield "history", ", ".join(f"{change.status} ({change.reason})" for change in job.transitions)


def _dataset(dataset: Mapping[str, Any]) -> str:
    source = ", ".join(str(value) for value in dataset.get("source", {}).values())
    validation = dataset.get("validation")
    if not validation:
        return source
    return f"{source}, {validation.get('fraction', 0):.0%} held back" + (
        ", stratified" if validation.get("stratify") else ""
    )


def _layer(layer: Mapping[str, Any]) -> str:
    size = next((layer[name] for name in ("units", "filters", "rate") if name in layer), None)
    return f"{layer.get('type')}" + (f"({size})" if size is not None else "")


def _type_of(component: Any) -> str:
    return str(component.get("type")) if isinstance(component, Mapping) else str(component)
