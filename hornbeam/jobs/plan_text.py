"""A plan in plain text: a table of layers, and what the training will take in a few sentences.

Leaves colours and the width of a terminal to `hornbeam.cli`.
"""

import math
from collections.abc import Iterator, Sequence

from schemas.estimates import Estimates, MemoryEstimate, SecondsEstimate
from schemas.jobs import LayerPlan, Plan

_HEADINGS = ("layer", "type", "output shape", "parameters", "operations")
_RULE = ("",) * len(_HEADINGS)
_NUMBERS_FROM = 3
"""The first column that is set to the right."""
_THOUSANDS = ("", " k", " M", " G", " T", " P")

_UNITS = ((99.5, 1.0, "s"), (5970.0, 60.0, "min"), (math.inf, 3600.0, "h"))
"""Durations below a limit, in seconds, are said in this unit."""


def plan_text(plan: Plan) -> str:
    """The whole plan. What stands before the model comes first, and then a line without words."""
    before = [*map(layer_cells, plan.preprocess), _RULE] if plan.preprocess else []
    table = [_HEADINGS, *before, *map(layer_cells, plan.layers)]
    return "\n".join([*_aligned(table), "", *summary(plan)]).rstrip() + "\n"


def layer_cells(layer: LayerPlan) -> tuple[str, str, str, str, str]:
    """One layer's line: name, type, shape of an output, parameters, operations of a forward pass over one example."""
    operations = "" if layer.flops is None else count(layer.flops)
    return layer.name, layer.type, _shape(layer.output_shape), f"{layer.parameters:,}", operations


def summary(plan: Plan) -> list[str]:
    """What the model has and what its training will take, a line each, as far as it is known."""
    return list(_summary(plan))


def count(number: int) -> str:
    """A large number in three digits: `7.73 G`."""
    value, unit = float(number), 0
    while value >= 999.5 and unit < len(_THOUSANDS) - 1:
        value, unit = value / 1000, unit + 1
    return f"{value:.3g}{_THOUSANDS[unit]}"


def _summary(plan: Plan) -> Iterator[str]:
    if plan.parameters is not None:
        trained = "all" if plan.trainable_parameters == plan.parameters else f"{plan.trainable_parameters or 0:,}"
        yield f"{plan.parameters:,} parameters, {trained} of them trained"
    if plan.estimates is None:
        return
    yield _memory(plan.estimates)
    yield _work(plan.estimates)
    if plan.estimates.seconds_per_epoch is not None and plan.steps_per_epoch is not None:
        steps = f"{plan.steps_per_epoch:,} step{'' if plan.steps_per_epoch == 1 else 's'}"
        yield f"an epoch of {steps} takes about {_range(plan.estimates.seconds_per_epoch)} on a CPU slot"


def _memory(estimates: Estimates) -> str:
    memory = estimates.memory
    parts = ", ".join(f"{name} {_mebibytes(size)}" for name, size in _parts(memory) if size >= memory.total / 100)
    return f"a step of {_examples(estimates.batch_size)} holds about {_mebibytes(memory.total)} MiB ({parts})"


def _parts(memory: MemoryEstimate) -> list[tuple[str, int]]:
    """The largest first."""
    parts = {name: size for name, size in memory.model_dump().items() if name != "total"}
    return sorted(parts.items(), key=lambda part: -part[1])


def _work(estimates: Estimates) -> str:
    step = estimates.training_flops * estimates.batch_size
    return f"{count(estimates.flops)} operations an example forward, {count(step)} a training step"


def _examples(number: int) -> str:
    return f"{number:,} example{'' if number == 1 else 's'}"


def _mebibytes(size: int) -> str:
    return f"{size / 2**20:,.0f}"


def _range(seconds: SecondsEstimate) -> str:
    unit, name = next((unit, name) for limit, unit, name in _UNITS if seconds.high < limit)
    return f"{_two_digits(seconds.low / unit)} to {_two_digits(seconds.high / unit)} {name}"


def _two_digits(value: float) -> str:
    return f"{value:.2g}" if value < 99.5 else f"{value:,.0f}"


def _shape(shape: Sequence[int | None] | None) -> str:
    return "x".join("?" if size is None else str(size) for size in shape or [])


def _aligned(table: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        cells = (
            cell.rjust(width) if place >= _NUMBERS_FROM else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield "  ".join(cells).rstrip()
