"""The columns of a dataset that a client brought, from its Arrow file.

Read a batch at a time, and only the columns that are asked for; a matrix that would be too large for memory is written
to a file of our own as it is read. To be imported in a trainer only: Arrow starts threads, and a zygote has none.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from hornbeam.datasets.facts import DatasetFacts, Value
from schemas.jobs import ErrorOrigin
from workers.training.columns import AnyColumn, Array, Made, Numbers, Shape
from workers.training.failures import failure
from workers.training.images import EncodedImages
from workers.training.room import Room
from workers.training.tables import Table

_TEXT_BYTES = 64
"""What a Python string takes beside its characters, and the pointer to it."""


class ArrowTable(Table):
    """A dataset that a client brought, in its Arrow file."""

    def __init__(self, path: Path, facts: DatasetFacts, room: Room) -> None:
        self.facts, self.digest = facts, facts.sha256
        self._path, self._room = path, room
        self._mapped: list[Any] = []
        self._firsts: Numbers = np.zeros(0, np.int64)

    def numbers(self, names: Sequence[str]) -> AnyColumn:
        """See Table."""
        return self._matrix(names, (len(names),), lambda batch: np.stack([_floats(batch[n]) for n in names], axis=1))

    def arrays(self, name: str) -> AnyColumn:
        """See Table."""
        shape = tuple(size or 1 for size in self.facts.columns[name].shape)
        return self._matrix([name], shape, lambda batch: _flattened(batch[name], name).reshape(-1, *shape))

    def images(self, name: str, shape: Shape) -> EncodedImages:
        """See Table."""
        return EncodedImages(self._path, name, (self.facts.rows, *shape))

    def texts(self, names: Sequence[str]) -> AnyColumn:
        """See Table."""
        whole, listed = (self.facts.rows, len(names)), list(names)
        stored = sum(batch.select(listed).nbytes for batch in self._batches_in_place())
        if self._room.is_short_of(stored + _TEXT_BYTES * math.prod(whole)):
            return Made(
                lambda numbers: self._gathered(listed, numbers, lambda batch: _texts(batch, names)), whole, "object"
            )
        return np.concatenate([_texts(batch, names) for batch in self._batches(names)])

    def codes(self, name: str, values: Sequence[Value]) -> NDArray[np.int32]:
        """See Table."""
        column = self._column(name)
        # By value and not by type: another dataset may have 0 and 1 where the training's has false and true.
        own, places = pc.unique(column), {value: place for place, value in enumerate(values)}
        codes = np.array([places.get(value, -1) for value in own.to_pylist()], np.int32)
        found: NDArray[np.int32] = codes[pc.index_in(column, value_set=own).to_numpy()]
        unseen = np.flatnonzero(found < 0)
        if len(unseen):
            row = int(unseen[0])
            raise _unseen(self.facts, name, column[row].as_py(), row)
        return found

    def keys(self, name: str) -> Array:
        """See Table."""
        column = self._column(name)
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            column = pc.fill_null(column, "")
        return np.asarray(column.to_numpy())

    def _matrix(self, names: Sequence[str], shape: tuple[int, ...], read: Callable[[Any], Array]) -> AnyColumn:
        whole = (self.facts.rows, *shape)
        if self._room.is_too_small(whole):
            return Made(lambda numbers: self._gathered(names, numbers, read), whole, "float32")
        stored = self._room(whole)
        matrix = np.empty(whole, np.float32) if stored is None else None
        first = 0
        for batch in self._batches(names):
            rows = read(batch)
            if matrix is not None:
                matrix[first : first + len(rows)] = rows
            elif stored is not None:
                stored.write(first, rows)
            first += len(rows)
        return matrix if matrix is not None else stored if stored is not None else np.empty(whole, np.float32)

    def _gathered(self, names: Sequence[str], numbers: Numbers, read: Callable[[Any], Array]) -> Array:
        """What some rows hold, in their order. Each batch is asked by itself: Arrow would copy all of them into one."""
        batches = self._batches_in_place()
        which = np.searchsorted(self._firsts, numbers, side="right") - 1
        parts = []
        for index in np.unique(which):
            here = pa.array(numbers[which == index] - self._firsts[index])
            parts.append(read(batches[index].select(list(names)).take(here)))
        found = np.concatenate(parts)
        gathered = np.empty_like(found)
        gathered[np.argsort(which, kind="stable")] = found
        return gathered

    def _batches_in_place(self) -> list[Any]:
        """The record batches of the mapped file: nothing is read before it is asked for."""
        if not self._mapped:
            batches = pa.ipc.open_file(pa.memory_map(str(self._path))).read_all().to_batches()
            # In this order: several threads may ask.
            self._firsts = np.cumsum([0, *(batch.num_rows for batch in batches[:-1])])
            self._mapped = batches
        return self._mapped

    def _column(self, name: str) -> Any:
        # In the mapped file: what is read of a batch would hold on to the room for all of its columns.
        return pa.chunked_array([batch[name] for batch in self._batches_in_place()])

    def _batches(self, names: Sequence[str]) -> Iterator[Any]:
        """The record batches, with these columns alone."""
        with pa.OSFile(str(self._path)) as file:
            schema = pa.ipc.open_file(file).schema
            wanted = sorted({schema.get_field_index(name) for name in names})
            reader = pa.ipc.open_file(file, options=pa.ipc.IpcReadOptions(included_fields=wanted))
            for index in range(reader.num_record_batches):
                yield reader.get_batch(index)


def _texts(batch: Any, names: Sequence[str]) -> Array:
    return np.stack([pc.fill_null(batch[name], "").to_numpy(zero_copy_only=False) for name in names], axis=1)


def _floats(column: Any) -> Array:
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.uint8())
    if pa.types.is_floating(column.type):
        return np.asarray(column.fill_null(np.nan).to_numpy(zero_copy_only=False), np.float32)
    return np.asarray(column.to_numpy(zero_copy_only=False), np.float32)


def _flattened(column: Any, name: str) -> Array:
    if column.null_count:
        raise failure(ErrorOrigin.DATA, "data.missing_value", f"Column {name!r} has rows without a value.")
    return np.asarray(column.flatten().to_numpy(zero_copy_only=False), np.float32)


def _unseen(facts: DatasetFacts, name: str, value: Any, row: int) -> Exception:
    if value is None:
        message = f"Row {row + 1} of {facts.name} has no value in {name!r}."
        return failure(ErrorOrigin.DATA, "data.missing_label", message)
    message = f"Row {row + 1} of {facts.name} has {value!r} in {name!r}, which no training row has."
    return failure(ErrorOrigin.DATA, "data.unseen_class", message)
