"""How many rows of a small table are there already.

Leaves tables of which it would take long to count, and those with arrays, alone.
"""

from pathlib import Path
from typing import Any

import pyarrow as pa

from hornbeam.ingest.kinds import KIND
from schemas.stored_datasets import ColumnKind

_ROWS = 200_000
_COLUMNS = 64
_BYTES = 64 * 2**20
_NAMES = frozenset({"path"})
"""Of columns in archives that differ although the rest is the same."""


def duplicate_rows(table: Path) -> int:
    """How many rows are the same as one before them; 0 where it is not counted."""
    if table.stat().st_size > _BYTES:
        return 0
    with pa.memory_map(str(table)) as source:
        rows = pa.ipc.open_file(source).read_all()
        names = [field.name for field in rows.schema if not _is_name(rows.schema, field)]
        if rows.num_rows > _ROWS or not 0 < len(names) <= _COLUMNS or any(map(_is_array, rows.schema.types)):
            return 0
        return int(rows.num_rows - rows.group_by(names, use_threads=False).aggregate([]).num_rows)


def _is_name(schema: Any, field: Any) -> bool:
    told = field.metadata[KIND].decode()
    beside = {column.metadata[KIND].decode() for column in schema} - {told}
    return field.name in _NAMES and told == ColumnKind.TEXT and ColumnKind.IMAGE in beside


def _is_array(type_: Any) -> bool:
    return bool(pa.types.is_fixed_size_list(type_))
