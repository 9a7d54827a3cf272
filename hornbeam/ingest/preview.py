"""The first rows of a table as JSON: long texts cut, images and long arrays told in words.

Leaves the table itself to `tables`.
"""

import math
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from hornbeam.ingest.kinds import KIND, shape_of
from hornbeam.ingest.pictures import describe
from schemas.stored_datasets import ColumnKind

ROWS = 100
TEXT = 200
NUMBERS = 16


def preview(table: Path) -> list[list[Any]]:
    """The first hundred rows of a table."""
    with pa.memory_map(str(table)) as source:
        reader = pa.ipc.open_file(source)
        batches: list[Any] = []
        while sum(len(batch) for batch in batches) < ROWS and len(batches) < reader.num_record_batches:
            batches.append(reader.get_batch(len(batches)).slice(0, ROWS - sum(len(batch) for batch in batches)))
        columns = [
            [_shown(value, field) for batch in batches for value in batch.column(number)]
            for number, field in enumerate(reader.schema)
        ]
    return [list(row) for row in zip(*columns, strict=True)]


def _shown(scalar: Any, field: Any) -> Any:
    if not scalar.is_valid:
        return None
    if (field.metadata or {}).get(KIND) == ColumnKind.IMAGE.value.encode():
        return describe(scalar.as_py())
    if pa.types.is_fixed_size_list(field.type):
        return _shown_array(scalar, field)
    value = scalar.as_py()
    if isinstance(value, str):
        return value if len(value) <= TEXT else value[:TEXT] + "..."
    return _json(value)


def _shown_array(scalar: Any, field: Any) -> Any:
    shape = shape_of(field) or []
    if field.type.list_size > NUMBERS:
        return f"{scalar.values.type} {shape}".replace("float ", "float32 ").replace("double ", "float64 ")
    numbers = [_json(number) for number in scalar.as_py()]
    for size in reversed(shape[1:]):
        numbers = [numbers[place : place + (size or 1)] for place in range(0, len(numbers), size or 1)]
    return numbers


def _json(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value.isoformat() if isinstance(value, datetime) else value
