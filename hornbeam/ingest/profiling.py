"""What is told about a table: statistics and digests of its columns, gathered while it is written.

All of it is done by Arrow and NumPy a batch at a time; no value is looked at in Python, but for the up to 1,000
different ones of a column that has few. Leaves what deserves a warning to `noticing`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hornbeam.ingest.digests import ColumnDigest, offsets_of, values_of
from hornbeam.ingest.refusals import quoted, refused
from schemas.stored_datasets import Column, ColumnKind, ValueCount

FEW = 1000
"""Different values that are counted; a column that has more has `distinct` null."""
ALWAYS_CATEGORIES = 50
"""So few different texts are categories, however few rows there are; else at most half of the rows differ."""
VALUES_IN_ALL = 100_000
"""Values that are listed in a profile; columns of wide tables list fewer than 1,000."""


class Moments:
    """Count, range, mean and standard deviation (of the population, as Keras's Normalization has it)."""

    def __init__(self) -> None:
        self.count = 0
        self.minimum = np.inf
        self.maximum = -np.inf
        self.mean = 0.0
        self._squares = 0.0

    def update(self, values: Any) -> None:
        """Take numbers; none is NaN. The parts are joined as Chan, Golub and LeVeque (1983) do."""
        count = len(values)
        if not count:
            return
        self.minimum = min(self.minimum, float(values.min()))
        self.maximum = max(self.maximum, float(values.max()))
        with np.errstate(all="ignore"):
            mean = float(values.mean(dtype=np.float64))
            deviations = np.subtract(values, mean, dtype=np.float64)
            # Not `np.dot`: the threads of a BLAS spin, which costs more than it saves on so few numbers.
            squares = float(np.square(deviations, out=deviations).sum())
            difference = mean - self.mean
            total = self.count + count
            self._squares += squares + difference * difference * self.count * count / total
            self.mean += difference * count / total
            self.count = total

    @property
    def standard_deviation(self) -> float:
        """Of the population."""
        return float(np.sqrt(self._squares / self.count)) if self.count else float("nan")


class DistinctValues:
    """How often each different value is there, until there are too many of them."""

    def __init__(self) -> None:
        self.counts: dict[Any, int] | None = {}
        """None: more than FEW."""

    def update(self, array: Any) -> None:
        """Take the next values; missing ones do not count."""
        if self.counts is None:
            return
        if len(array) > 4 * FEW and len(pc.unique(array.slice(0, 2 * FEW)).drop_null()) > FEW:
            self.counts = None  # most columns of floats are done here, for next to nothing
            return
        counted = pc.value_counts(array)
        if len(counted) > FEW + 1:
            self.counts = None
            return
        for value, count in zip(counted.field(0).to_pylist(), counted.field(1).to_pylist(), strict=True):
            if value is not None:
                self.counts[value] = self.counts.get(value, 0) + count
        if len(self.counts) > FEW:
            self.counts = None


class Identifiers:
    """Whether a column may be one of identifiers: integers that count up, or different short texts without spaces."""

    def __init__(self) -> None:
        self.possible = True
        self._next: int | None = None

    def update(self, array: Any) -> None:
        """Take the next values."""
        if not self.possible or not len(array):
            return
        if array.null_count:
            self.possible = False
        elif pa.types.is_integer(array.type):
            self.possible = self._count_up(array.to_numpy())
        elif pa.types.is_string(array.type):
            self.possible = _short_and_different(array)
        else:
            self.possible = False

    def _count_up(self, values: Any) -> bool:
        continues = self._next is None or int(values[0]) == self._next
        self._next = int(values[-1]) + 1
        ends_right = int(values[-1]) - int(values[0]) == len(values) - 1
        return bool(continues and ends_right and (values[1:] - values[:-1] == 1).all())


def _short_and_different(array: Any) -> bool:
    lengths = np.diff(offsets_of(array))
    if lengths.max() > 64 or pc.any(pc.match_substring(array.slice(0, FEW), " ")).as_py():
        return False
    return bool(pc.count_distinct(array).as_py() == len(array))


@dataclass(frozen=True, slots=True)
class ColumnForm:
    """What is known of a column before its values are."""

    name: str
    kind: ColumnKind | None
    """None: text, and its values tell whether they are categories."""
    type: Any
    shape: list[int | None]


class ColumnProfile:
    """What one column holds, gathered batch by batch."""

    def __init__(self, form: ColumnForm, cell_bytes: int) -> None:
        self.form = form
        self._cell_bytes = cell_bytes
        self._rows = 0
        self.missing = 0
        self._first_missing: int | None = None
        numbers = form.type.value_type if pa.types.is_fixed_size_list(form.type) else form.type
        self._dtype = str(numbers)
        shape = list(form.shape) if form.kind is ColumnKind.ARRAY else []
        self._digest = ColumnDigest(self._dtype, shape)
        self.distinct = DistinctValues()
        self.identifiers = Identifiers()
        self.moments = Moments()
        if form.kind in (ColumnKind.ARRAY, ColumnKind.IMAGE):
            self.distinct.counts = None
            self.identifiers.possible = False

    def update(self, array: Any) -> None:
        """Take the next values, as they are stored."""
        if array.null_count and self._first_missing is None:
            self._first_missing = self._rows + int(array.is_null().to_numpy(zero_copy_only=False).argmax()) + 1
        self.missing += array.null_count
        self._digest.update(array)
        self.distinct.update(array)
        self.identifiers.update(array)
        present = array.drop_null() if array.null_count else array
        if pa.types.is_string(array.type) or pa.types.is_binary(array.type):
            self._check_size(array)
            if self.form.kind is not ColumnKind.IMAGE:
                self.moments.update(pc.utf8_length(present).to_numpy())
        elif pa.types.is_fixed_size_list(array.type):
            self._take_numbers(present.flatten())
        else:
            self._take_numbers(present)
        self._rows += len(array)

    def _take_numbers(self, numbers: Any) -> None:
        values = values_of(numbers)
        if values.dtype.kind == "f" and pa.types.is_fixed_size_list(self.form.type):
            values = values[~np.isnan(values)] if np.isnan(values.sum()) else values
        self.moments.update(values)

    def _check_size(self, array: Any) -> None:
        lengths = np.diff(offsets_of(array))
        if len(lengths) and lengths.max() > self._cell_bytes:
            row = self._rows + int(lengths.argmax()) + 1
            raise refused(
                "cell.too_large",
                f"Row {row}, column {quoted(self.form.name)}: a value of {lengths.max()} bytes; "
                f"{self._cell_bytes} are allowed.",
            )

    @property
    def kind(self) -> ColumnKind:
        """What the values mean, as far as they are known."""
        if self.form.kind is not None:
            return self.form.kind
        counts = self.distinct.counts
        few = counts is not None and (len(counts) <= ALWAYS_CATEGORIES or 2 * len(counts) <= self._rows)
        return ColumnKind.CATEGORY if few else ColumnKind.TEXT

    def column(self, values_at_most: int = FEW) -> Column:
        """What is told of the column."""
        described = self.moments.count > 0
        unit = 1e6 if self.kind is ColumnKind.DATETIME else 1.0
        counts = self.distinct.counts
        return Column(
            name=self.form.name,
            kind=self.kind,
            dtype=self._dtype,
            shape=list(self.form.shape),
            missing=self.missing,
            first_missing=self._first_missing,
            distinct=None if counts is None else len(counts),
            values=self._values(values_at_most),
            minimum=_finite(self.moments.minimum / unit) if described else None,
            maximum=_finite(self.moments.maximum / unit) if described else None,
            mean=_finite(self.moments.mean / unit) if described else None,
            standard_deviation=_finite(self.moments.standard_deviation / unit) if described else None,
            sha256=self._digest.hexdigest(),
        )

    def _values(self, at_most: int) -> list[ValueCount] | None:
        counts = self.distinct.counts
        listed = self.kind in (ColumnKind.CATEGORY, ColumnKind.BOOLEAN) or pa.types.is_integer(self.form.type)
        if counts is None or not listed or len(counts) > at_most:
            return None
        return [ValueCount(value=value, count=counts[value]) for value in sorted(counts)]


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None


class TableProfile:
    """What a table holds, gathered batch by batch."""

    def __init__(self, forms: Sequence[ColumnForm], cell_bytes: int) -> None:
        self.columns = [ColumnProfile(form, cell_bytes) for form in forms]
        self.rows = 0

    def update(self, batch: Any) -> None:
        """Take the next rows, as they are stored."""
        for column, array in zip(self.columns, batch.columns, strict=True):
            column.update(array)
        self.rows += batch.num_rows

    def described(self) -> list[Column]:
        """What is told of the columns."""
        at_most = max(2, min(FEW, VALUES_IN_ALL // max(len(self.columns), 1)))
        return [column.column(at_most) for column in self.columns]
