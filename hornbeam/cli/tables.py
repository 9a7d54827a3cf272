"""Tables: epochs, jobs and what differs between them, checkpoints, artifacts, components."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from hornbeam.cli import wording
from hornbeam.cli.course import Course, EpochRow
from hornbeam.jobs.plan_text import layer_cells
from schemas.catalog import ComponentEntry
from schemas.checkpoints import Artifact, Checkpoint
from schemas.comparison import Comparison, MetricBests
from schemas.jobs import Job, Plan

LONG = 24
"""Epochs above which a result table shows the first, the best and the last."""
_MOST_METRICS = 6
_SHORTEST_NAME, _LONGEST_NAME = 8, 20
_BETWEEN = 3
"""Characters between two columns."""


def epoch_table(course: Course, rows: Sequence[EpochRow | None]) -> Table:
    """One line per epoch, the best one marked; None stands for epochs left out."""
    names = wording.in_order(course.metric_names)[:_MOST_METRICS]
    table = plain_table()
    table.add_column("epoch", justify="right")
    for name in names:
        table.add_column(name, justify="right")
    table.add_column("")
    best = course.best
    for row in rows:
        if row is None:
            table.add_row("…", *("" for _ in names), "", style="dim")
            continue
        is_best = row is best
        cells = (wording.number(row.metrics.get(name)) for name in names)
        table.add_row(str(row.epoch), *cells, "best" if is_best else "", style="bold green" if is_best else "")
    return table


def result_table(course: Course) -> Table:
    """Every epoch, or of a long training the first three, the best and the last ten."""
    epochs = course.epochs
    if len(epochs) <= LONG:
        return epoch_table(course, epochs)
    shown: list[EpochRow | None] = []
    for place, row in enumerate(epochs):
        if place < 3 or place >= len(epochs) - 10 or row is course.best:
            shown.append(row)
        elif shown[-1] is not None:
            shown.append(None)
    return epoch_table(course, shown)


def job_table(jobs: Iterable[Job], width: int) -> Table:
    """One line per job, in which the name gives way where so many characters are too few."""
    headings = ("job", "status", "epoch", "best", "created")
    rows = [(job, (job.id, job.status, epoch_of(job), best_of(job), wording.ago(job.created_at))) for job in jobs]
    taken = sum(
        max(map(len, column)) + _BETWEEN for column in zip(headings, *(cells for _, cells in rows), strict=True)
    )
    room = max(_SHORTEST_NAME, min(_LONGEST_NAME, width - taken))
    table = plain_table("job", "name", *headings[1:])
    for job, (job_id, status, *others) in rows:
        style = wording.STATUS_STYLE.get(job.status, "")
        table.add_row(job_id, Text(clipped(job.name or "", room)), Text(status, style=style), *others)
    return table


def compared_table(comparison: Comparison) -> Table:
    """One line per job, numbered: the number stands for the job in the tables below it."""
    table = plain_table("", "job", "name", "status", "epochs", "took")
    for number, job in enumerate(comparison.jobs, 1):
        status = f"{job.status}: {job.error}" if job.error else job.status
        took = "-" if job.duration_seconds is None else wording.seconds(job.duration_seconds)
        style = wording.STATUS_STYLE.get(job.status, "")
        name = Text(clipped(job.name or "", 20))
        table.add_row(str(number), job.id, name, Text(status, style=style), str(job.epochs), took)
    return table


def difference_table(comparison: Comparison) -> Table:
    """One line per parameter that differs, a column per job."""
    table = _numbered_table("parameter", comparison)
    for difference in comparison.parameters:
        values = difference.values
        cells = (_value(values[job.id]) if job.id in values else "-" for job in comparison.jobs)
        table.add_row(Text(difference.pointer), *(Text(cell) for cell in cells))
    return table


def bests_table(comparison: Comparison) -> Table:
    """One line per metric: each job's best value and its epoch, the best of all marked."""
    table = _numbered_table("best", comparison)
    for name in wording.in_order(comparison.bests):
        bests = comparison.bests[name]
        table.add_row(name, *(_best_cell(bests, job.id) for job in comparison.jobs))
    return table


def checkpoint_table(checkpoints: Iterable[Checkpoint]) -> Table:
    """One line per checkpoint."""
    table = plain_table("checkpoint", "epoch", "size", "metrics")
    for checkpoint in checkpoints:
        table.add_row(
            checkpoint.id,
            str(checkpoint.epoch),
            wording.size(checkpoint.size_bytes),
            wording.metrics(_validation_first(checkpoint.metrics)),
            style="bold green" if checkpoint.best else "",
        )
    return table


def artifact_table(artifacts: Iterable[Artifact]) -> Table:
    """One line per file."""
    table = plain_table("artifact", "size", "sha-256")
    for artifact in artifacts:
        table.add_row(artifact.name, wording.size(artifact.size_bytes), artifact.sha256[:12])
    return table


def component_table(components: Iterable[ComponentEntry]) -> Table:
    """One line per component."""
    table = plain_table("kind", "name", "what it is")
    for component in components:
        table.add_row(component.kind, component.name, component.summary)
    # Where there is little room, the summary gives way.
    for column in table.columns[:2]:
        column.min_width = max((len(str(cell)) for cell in column.cells), default=0)
    return table


def plan_table(plan: Plan) -> Table:
    """The layers of a model, as the planner built it, behind those that stand before it."""
    table = plain_table("layer", "type", "output shape", "parameters")
    for index, layer in enumerate([*plan.preprocess, *plan.layers], start=1):
        *cells, _operations = layer_cells(layer)
        table.add_row(*cells, end_section=index == len(plan.preprocess))
    if plan.parameters is not None:
        table.add_row("", "", "", f"{plan.parameters:,}", style="bold")
    return table


def epoch_of(job: Job) -> str:
    """`5/10`, or what is known of it."""
    total = job.spec.get("training", {}).get("epochs", "?")
    if job.progress and not job.terminal:
        return f"{job.progress.epoch}/{total}"
    return f"{job.summary.last.epoch}/{total}" if job.summary.last else f"-/{total}"


def best_of(job: Job) -> str:
    """The monitored metric of the best epoch."""
    if job.summary.best is None:
        return "-"
    metrics = job.summary.best.metrics
    monitor = job.spec.get("checkpoints", {}).get("monitor") or ("val_loss" if "val_loss" in metrics else "loss")
    return f"{monitor} {wording.number(metrics.get(monitor))}"


def _validation_first(metrics: dict[str, float]) -> dict[str, float]:
    """The two or so that say most, for a narrow column."""
    return {name: value for name, value in metrics.items() if name.startswith("val_")} or metrics


def _numbered_table(title: str, comparison: Comparison) -> Table:
    return plain_table(title, *(str(number) for number in range(1, len(comparison.jobs) + 1)))


def _best_cell(bests: MetricBests, job_id: str) -> Text:
    best = bests.jobs.get(job_id)
    if best is None:
        return Text("-")
    is_best = job_id == bests.best
    text = f"{wording.number(best.value)} ({best.epoch}){' *' if is_best else ''}"
    return Text(text, style="bold green" if is_best else "")


def _value(value: Any) -> str:
    """A value of a spec, short; a component by its type and first parameters."""
    if isinstance(value, dict) and "type" in value:
        parameters = (f"{name}={_value(item)}" for name, item in value.items() if name not in ("type", "name"))
        return clipped(f"{value['type']}({', '.join(parameters)})", 28)
    return clipped(json.dumps(value, ensure_ascii=False), 28)


def clipped(text: str, width: int) -> str:
    """The text, cut to a width."""
    return text if len(text) <= width else text[: width - 1] + "…"


def plain_table(*columns: str) -> Table:
    """A table without a frame, as all of them are."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, no_wrap=True)
    return table
