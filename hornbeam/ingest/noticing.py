"""What deserves a look in a table that could be read: warnings, and which column a model would most likely predict.

Leaves what stops a file from being read to the readers.
"""

from collections.abc import Sequence

import numpy as np

from hornbeam.ingest.profiling import ColumnProfile, TableProfile
from hornbeam.ingest.refusals import listed, quoted, warning
from schemas.problems import Finding
from schemas.stored_datasets import Column, ColumnKind

TARGET_NAMES = ("target", "label", "labels", "class", "y", "species", "outcome", "output", "category")
FEW_ROWS = 10
FEW_CLASSES = 100
IMBALANCE = 50


def proposed_target(columns: Sequence[Column]) -> str | None:
    """A column named as targets are, else the last one that holds classes; None where there is none."""
    by_name = {column.name.lower(): column.name for column in reversed(columns)}
    for name in TARGET_NAMES:
        if name in by_name:
            return by_name[name]
    return next((column.name for column in reversed(columns) if _holds_classes(column)), None)


def noticed(profile: TableProfile, columns: Sequence[Column], target: str | None, duplicates: int) -> list[Finding]:
    """What deserves a look.

    Args:
        profile: As it was gathered.
        columns: As they are told.
        target: The proposed one: only there it matters that a class is rare.
        duplicates: Rows that are the same as one before them.
    """
    found = []
    if duplicates:
        message = "1 row is" if duplicates == 1 else f"{duplicates} rows are"
        message += " the same as one before."
        found.append(warning("rows.duplicate", message, "Make sure that the same row is not trained and validated on."))
    if profile.rows < FEW_ROWS:
        found.append(warning("rows.few", f"There are only {profile.rows} rows: too few to learn from."))
    found += _of_columns(
        "column.all_missing",
        [column.name for column in columns if column.missing == profile.rows],
        "without any value",
        "Leave it out of the features.",
    )
    found += _of_columns(
        "column.constant",
        [column.name for column in columns if _is_constant(column, profile.rows)],
        "with the same value in each row",
        "Leave it out of the features: nothing can be learnt from it.",
    )
    found += _of_columns(
        "column.identifier",
        [column.form.name for column in profile.columns if _is_identifier(column, profile.rows)],
        "that looks like an identifier: its values are all different, and tell nothing about other rows",
        "Leave it out of the features.",
    )
    found += _of_columns(
        "column.infinite",
        [column.form.name for column in profile.columns if _is_infinite(column)],
        "with infinite values, on which no model can be trained",
        "Clip them, or leave them empty.",
    )
    return found + [finding for column in columns if column.name == target for finding in _imbalance(column)]


def _of_columns(code: str, names: list[str], what: str, suggestion: str) -> list[Finding]:
    """One warning for all columns of which the same is true: wide tables may have thousands."""
    if not names:
        return []
    whose = f"There is a column {what}" if len(names) == 1 else f"There are {len(names)} columns {what}"
    return [warning(code, f"{whose}: {listed(names)}.", suggestion)]


def _holds_classes(column: Column) -> bool:
    few = column.distinct is not None and 2 <= column.distinct <= FEW_CLASSES
    whole = column.kind is ColumnKind.NUMBER and column.values is not None
    return few and (column.kind in (ColumnKind.CATEGORY, ColumnKind.BOOLEAN) or whole)


def _is_constant(column: Column, rows: int) -> bool:
    return column.distinct == 1 and not column.missing and rows > 1


def _is_identifier(column: ColumnProfile, rows: int) -> bool:
    guessed = column.form.kind in (None, ColumnKind.NUMBER) and column.kind is not ColumnKind.CATEGORY
    return guessed and column.identifiers.possible and rows >= FEW_ROWS


def _is_infinite(column: ColumnProfile) -> bool:
    moments = column.moments
    return moments.count > 0 and not (np.isfinite(moments.minimum) and np.isfinite(moments.maximum))


def _imbalance(column: Column) -> list[Finding]:
    if not column.values or len(column.values) < 2:
        return []
    most, least = (choose(column.values, key=lambda value: value.count) for choose in (max, min))
    if most.count <= IMBALANCE * least.count:
        return []
    return [
        warning(
            "target.imbalance",
            f"In column {quoted(column.name)}, {quoted(str(most.value))} is there {most.count} times, "
            f"{quoted(str(least.value))} only {least.count} times.",
            "Weigh the classes, or bring more rows of the rare ones.",
        )
    ]
