"""Statistics and digests are those of NumPy, however the values were cut; and what deserves a look is told."""

import hashlib
import math
from collections import Counter
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hornbeam.ingest.digests import ColumnDigest
from hornbeam.ingest.profiling import ColumnForm, ColumnProfile
from hornbeam.ingest.protocol import IngestLimits
from schemas.stored_datasets import ColumnKind

RELAXED = settings(max_examples=100, deadline=None)
CELL_BYTES = IngestLimits().cell_bytes

COLUMNS = st.one_of(
    st.tuples(st.just(pa.int64()), st.lists(st.none() | st.integers(-(2**62), 2**62), max_size=40)),
    st.tuples(st.just(pa.float64()), st.lists(st.none() | st.floats(-1e150, 1e150), max_size=40)),
    st.tuples(st.just(pa.float32()), st.lists(st.none() | st.floats(-1e10, 1e10, width=32), max_size=40)),
    st.tuples(st.just(pa.bool_()), st.lists(st.none() | st.booleans(), max_size=40)),
    st.tuples(st.just(pa.string()), st.lists(st.none() | st.text(max_size=5), max_size=40)),
    st.tuples(st.just(pa.binary()), st.lists(st.none() | st.binary(max_size=5), max_size=40)),
    st.tuples(st.just(pa.list_(pa.int32(), 2)), st.lists(st.none() | st.tuples(*[st.integers(0, 9)] * 2), max_size=40)),
)


def profile(array, kind=ColumnKind.NUMBER, cuts=()):
    form = ColumnForm("a", None if pa.types.is_string(array.type) else kind, array.type, [])
    column = ColumnProfile(form, CELL_BYTES)
    for first, last in zip([0, *cuts], [*cuts, len(array)], strict=True):
        column.update(array.slice(first, last - first))
    return column


@RELAXED
@given(column=COLUMNS, cuts=st.lists(st.integers(0, 40), max_size=4))
def test_a_digest_does_not_depend_on_how_values_are_cut(column, cuts):
    array = pa.array(column[1], column[0])
    whole, pieces = (ColumnDigest(str(array.type), []) for _ in range(2))
    whole.update(array)
    places = [0, *sorted(min(cut, len(array)) for cut in cuts), len(array)]
    for first, last in pairwise(places):
        pieces.update(array.slice(first, last - first))
    assert pieces.hexdigest() == whole.hexdigest()


@RELAXED
@given(column=COLUMNS, other=COLUMNS)
def test_other_values_have_another_digest(column, other):
    digests = []
    for type_, values in (column, other):
        digest = ColumnDigest(str(type_), [])
        digest.update(pa.array(values, type_))
        digests.append(digest.hexdigest())
    same = column[0] == other[0] and repr(column[1]) == repr(other[1])  # 0.0 and -0.0 are two values
    assert (digests[0] == digests[1]) == same


def test_what_is_hashed():
    digest = ColumnDigest("string", [])
    digest.update(pa.array(["ab", None, "c"]))
    parts = [b"abc", np.array([2, 1], "<i4").tobytes(), np.array([1], "<i8").tobytes()]
    hashed = b"string []" + b"".join(hashlib.sha256(part).digest() for part in parts)
    assert digest.hexdigest() == hashlib.sha256(hashed).hexdigest()


@RELAXED
@given(column=COLUMNS, cuts=st.lists(st.integers(0, 40), max_size=4))
def test_the_first_row_without_a_value_has_its_number(column, cuts):
    type_, values = column
    kinds = {pa.binary(): ColumnKind.IMAGE, pa.list_(pa.int32(), 2): ColumnKind.ARRAY}
    kind = kinds.get(type_, ColumnKind.NUMBER)
    found = profile(pa.array(values, type_), kind, cuts=sorted(min(cut, len(values)) for cut in cuts)).column()
    assert found.missing == values.count(None)
    assert found.first_missing == (values.index(None) + 1 if None in values else None)


@RELAXED
@given(
    values=st.lists(st.none() | st.floats(-1e100, 1e100), min_size=1, max_size=60),
    cut=st.integers(0, 60),
)
def test_moments_are_numpys(values, cut):
    column = profile(pa.array(values, pa.float64()), cuts=[min(cut, len(values))]).column()
    there = np.array([value for value in values if value is not None])
    assert column.missing == len(values) - len(there)
    if not len(there):
        assert column.mean is None or math.isnan(column.mean)
        return
    scale = np.abs(there).max()
    assert (column.minimum, column.maximum) == (there.min(), there.max())
    assert column.mean == pytest.approx(there.mean(), rel=1e-9, abs=1e-9 * scale)
    assert column.standard_deviation == pytest.approx(there.std(), rel=1e-6, abs=1e-9 * scale)


@RELAXED
@given(values=st.lists(st.none() | st.integers(-5, 5), min_size=1, max_size=60), cut=st.integers(0, 60))
def test_few_values_are_counted(values, cut):
    column = profile(pa.array(values, pa.int64()), cuts=[min(cut, len(values))]).column()
    counts = Counter(value for value in values if value is not None)
    assert column.distinct == len(counts)
    assert [(value.value, value.count) for value in column.values] == sorted(counts.items())


@pytest.mark.parametrize(("distinct", "kind"), [(1000, ColumnKind.CATEGORY), (1001, ColumnKind.TEXT)])
def test_a_thousand_values_are_few(distinct, kind):
    array = pa.array([f"v{number % distinct:04}" for number in range(10_000)])
    profiled = profile(array, cuts=[100, 900, 5000])
    assert profiled.kind is kind
    column = profiled.column()
    assert column.distinct == (distinct if kind is ColumnKind.CATEGORY else None)
    assert (column.values is None) == (kind is ColumnKind.TEXT)


def test_texts_that_nearly_all_differ_are_no_categories():
    assert profile(pa.array([f"v{number}" for number in range(60)])).kind is ColumnKind.TEXT
    assert profile(pa.array([f"v{number // 2}" for number in range(120)])).kind is ColumnKind.CATEGORY
    assert profile(pa.array([f"v{number}" for number in range(50)])).kind is ColumnKind.CATEGORY


def test_lengths_of_texts_are_in_characters():
    column = profile(pa.array(["ü", "abc", None])).column()
    assert (column.minimum, column.maximum, column.mean) == (1, 3, 2)


def findings(told):
    return {finding.code: finding.message for finding in told.findings}


def test_what_deserves_a_look(read):
    lines = ["id,const,none,inf,name,label"]
    lines += [
        f"{row},7,,{'inf' if row == 3 else row * 1.5},n{row:05},{'rare' if row == 5 else 'usual'}" for row in range(200)
    ]
    told = read("a.csv", "\n".join(lines).encode())
    found = findings(told)
    assert set(found) == {
        "column.constant",
        "column.all_missing",
        "column.infinite",
        "column.identifier",
        "target.imbalance",
    }
    assert '"id", "name"' in found["column.identifier"]
    assert '"const"' in found["column.constant"]
    assert '"rare"' in found["target.imbalance"]
    assert told.profile.target == "label"


def test_few_rows_and_duplicates(read):
    assert "rows.few" in findings(read("a.csv", b"a,b\n1,2\n3,4\n"))
    told = read("a.csv", b"a,b,c\n" + b"1,2,x\n" * 6 + b"".join(b"%d,2,y\n" % row for row in range(50)))
    assert "5 rows" in findings(told)["rows.duplicate"]


@pytest.mark.parametrize(
    ("header", "rows", "target"),
    [
        ("y,a", "1.5,2.5", "y"),
        ("a,Species,b", "1.5,x,2.5", "Species"),
        ("a,b,c", "1.5,2,3.5", "b"),
        ("a,b", "1.5,2.5", None),
    ],
)
def test_a_target_is_proposed(read, header, rows, target):
    other = rows.replace("2", "4").replace("x", "z")
    assert read("a.csv", f"{header}\n{rows}\n{other}\n".encode()).profile.target == target


def test_a_preview_is_json(read):
    text = b"n,f,t,d\n" + b"".join(b"%d,inf,%s,2020-01-01\n" % (row, b"x" * 300) for row in range(150))
    told = read("a.csv", text)
    assert len(told.profile.preview) == 100
    assert told.profile.preview[0] == [0, None, "x" * 200 + "...", "2020-01-01T00:00:00"]
    assert told.model_dump_json()
