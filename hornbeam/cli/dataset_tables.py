"""Tables of datasets: a list of them, the columns of one, its rows."""

import json
from collections.abc import Iterable
from typing import Any

from rich.table import Table
from rich.text import Text

from hornbeam.cli import wording
from hornbeam.cli.tables import clipped, plain_table
from schemas.stored_datasets import Column, ColumnKind, Dataset, RowPage

_WIDEST = 24
_MOST_COLUMNS = 8
_CLASSES = 3
"""As many are named; of the others the number is told."""


def headline(dataset: Dataset) -> Text:
    """Name, id, format and size on one line."""
    size = f"{dataset.rows:,} rows, {wording.size(dataset.size_bytes)}"
    name = wording.visible(dataset.name)
    return Text.assemble((f"{name}  ", "bold"), (f"{dataset.id}  ", "dim"), f"{dataset.format}, {size}")


def dataset_table(datasets: Iterable[Dataset]) -> Table:
    """One line per dataset."""
    table = plain_table("dataset", "name", "format", "rows", "columns", "size", "created")
    for dataset in datasets:
        table.add_row(
            dataset.id,
            Text(clipped(wording.visible(dataset.name), _WIDEST)),
            dataset.format,
            f"{dataset.rows:,}",
            str(len(dataset.columns)),
            wording.size(dataset.size_bytes),
            wording.ago(dataset.created_at),
        )
    return table


def column_table(dataset: Dataset) -> Table:
    """One line per column; the one that a model would most likely predict is marked."""
    table = plain_table("column", "kind", "type", "missing", "values", "")
    for column in dataset.columns:
        is_target = column.name == dataset.target
        table.add_row(
            Text(clipped(wording.visible(column.name), _WIDEST)),
            column.kind,
            _type(column),
            f"{column.missing:,}" if column.missing else "-",
            Text(clipped(wording.visible(_values(column)), 40)),
            "target?" if is_target else "",
            style="bold green" if is_target else "",
        )
    return table


def row_table(page: RowPage) -> Table:
    """One line per row, as many columns as are to be read."""
    shown = page.columns[:_MOST_COLUMNS]
    left_out = ["…"] if len(page.columns) > len(shown) else []
    table = plain_table(*(clipped(wording.visible(name), _WIDEST) for name in shown), *left_out)
    for row in page.data:
        table.add_row(*(Text(_cell(value)) for value in row[: len(shown)]), *left_out)
    return table


def _type(column: Column) -> str:
    shape = "x".join("?" if size is None else str(size) for size in column.shape)
    return f"{column.dtype} {shape}".strip()


def _values(column: Column) -> str:
    """`4.3 to 7.9, mean 5.84`, or `setosa 50, versicolor 50, …`."""
    if column.values and column.kind in (ColumnKind.CATEGORY, ColumnKind.BOOLEAN):
        named = ", ".join(f"{count.value} {count.count}" for count in column.values[:_CLASSES])
        rest = len(column.values) - _CLASSES
        return named + (f" and {rest} more" if rest > 0 else "")
    if column.minimum is not None and column.maximum is not None and column.minimum == column.minimum:
        span = f"{wording.number(column.minimum)} to {wording.number(column.maximum)}"
        if column.kind is ColumnKind.NUMBER:
            return f"{span}, mean {wording.number(column.mean)}"
        return f"{span} characters" if column.kind is ColumnKind.TEXT else span
    return f"{column.distinct:,} different" if column.distinct is not None else "-"


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return clipped(wording.visible(text), _WIDEST)
