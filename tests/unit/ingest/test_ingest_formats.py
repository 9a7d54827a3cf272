"""What whole files of each format become."""

import struct
from datetime import UTC, date, datetime
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hornbeam.ingest.examples import NotAnExample, features_of, packed_integers
from schemas.stored_datasets import DatasetFormat
from tests.unit.ingest import files
from tests.unit.ingest.bad_files import DECLARED, JPEG, NUMBERS, PARQUET, RECORDS

RELAXED = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
PICTURES = {f"root/{'cat' if number % 2 else 'dog'}/{number}.png": files.picture(seed=number) for number in range(6)}


def described(told):
    return {column.name: (column.kind.value, column.dtype, column.shape) for column in told.profile.columns}


def test_arrays_of_an_npz_are_columns(read):
    arrays = {
        "x": np.arange(24.0).reshape(4, 2, 3).astype("float32"),
        "y": np.arange(4),
        "flag": np.array([True, False, True, True]),
        "half": np.arange(8).reshape(4, 2).astype("float16"),
        "turned": np.asfortranarray(np.arange(12.0).reshape(4, 3)),
        "large_end": np.arange(4).astype(">i4"),
    }
    told = read("a.npz", files.npz(**arrays))
    assert told.profile.format is DatasetFormat.NPZ
    assert described(told) == {
        "x": ("array", "float", [2, 3]),
        "y": ("number", "int64", []),
        "flag": ("boolean", "bool", []),
        "half": ("array", "float", [2]),
        "turned": ("array", "double", [3]),
        "large_end": ("number", "int32", []),
    }
    table = read.table()
    for name, array in arrays.items():
        assert np.array_equal(np.array(table[name].to_pylist()).reshape(array.shape), array)
    assert table.schema.field("x").metadata == {b"hornbeam.kind": b"array", b"hornbeam.shape": b"[2, 3]"}
    assert told.profile.target == "y"


@pytest.mark.parametrize("order", ["C", "F"])
def test_an_npy_is_one_column(read, order):
    array = np.asarray(np.random.default_rng(0).normal(size=(70_000, 3)), order=order)
    told = read("a.npy", files.npy(array))
    assert described(told) == {"array": ("array", "double", [3])}
    assert np.array_equal(np.array(read.table()["array"].to_pylist()), array)
    assert told.profile.columns[0].mean == pytest.approx(array.mean())


def test_json_lines(read):
    lines = b'{"n": 1, "l": [[1, 2], [3, 4]], "t": "2020-01-01"}\n\n{"n": 2.5, "l": null, "late": true}\n{"n": null}'
    told = read("a.jsonl", lines)
    assert described(told) == {
        "n": ("number", "double", []),
        "l": ("array", "int64", [2, 2]),
        "t": ("datetime", "timestamp[us]", []),
        "late": ("boolean", "bool", []),
    }
    assert told.profile.rows == 3
    assert told.profile.preview[0] == [1.0, [[1, 2], [3, 4]], "2020-01-01T00:00:00", None]


@pytest.mark.parametrize("ending", files.PACKED)
@pytest.mark.parametrize(
    ("name", "data", "format_", "options"),
    [
        ("a.jsonl", b'{"a": 1}\n{"a": 2}\n', DatasetFormat.JSONL, {}),
        ("a.tfrecord", RECORDS, DatasetFormat.TFRECORD, DECLARED),
    ],
    ids=["JSON Lines", "TFRecord"],
)
def test_what_is_read_in_one_go_may_be_compressed(read, name, data, format_, options, ending):
    plain = read(name, data, **options).profile
    packed = read(f"{name}.{ending}", files.PACKED[ending](data), **options).profile
    assert packed.format is format_
    assert (packed.rows, packed.columns, packed.preview) == (plain.rows, plain.columns, plain.preview)


def test_json_lines_whose_columns_change_late(read):
    lines = b'{"a": 1, "b": "2020-01-01"}\n' * 60_000 + b'{"a": 1.5, "b": "soon", "c": [1]}\n'
    told = read("a.ndjson", lines)
    assert described(told) == {
        "a": ("number", "double", []),
        "b": ("category", "string", []),
        "c": ("array", "int64", [1]),
    }


def test_parquet(read):
    moment = datetime(2020, 1, 1, 2, 3, tzinfo=UTC)
    columns = {
        "small": pa.array([1, 2, None], pa.int8()),
        "half": pa.array(np.array([1, 2, 3], "float16")),
        "nan": pa.array([1.0, float("nan"), None]),
        "decimal": pa.array([Decimal("1.50")] * 3),
        "words": pa.array(["a", "b", "a"]).dictionary_encode(),
        "large": pa.array(["a", "b", None], pa.large_string()),
        "day": pa.array([date(2020, 1, 1)] * 3),
        "when": pa.array([moment] * 3, pa.timestamp("ns", "Europe/Berlin")),
        "list": pa.array([[1.0, 2.0], None, [3.0, 4.0]]),
        "image": pa.array([JPEG] * 3),
    }
    told = read("a.parquet", files.parquet_of(columns))
    assert described(told) == {
        "small": ("number", "int8", []),
        "half": ("number", "float", []),
        "nan": ("number", "double", []),
        "decimal": ("number", "double", []),
        "words": ("category", "string", []),
        "large": ("category", "string", []),
        "day": ("datetime", "timestamp[us]", []),
        "when": ("datetime", "timestamp[us]", []),
        "list": ("array", "double", [2]),
        "image": ("image", "binary", [64, 64, 3]),
    }
    table = read.table()
    assert table["nan"].to_pylist() == [1.0, None, None]
    assert table["when"][0].as_py() == moment.replace(tzinfo=None)
    assert table["list"].to_pylist() == [[1.0, 2.0], None, [3.0, 4.0]]
    assert told.profile.preview[0][-1] == "JPEG 64x64"


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.zip", files.zipped(PICTURES | {"__MACOSX/dog/._1.png": b"x", "root/.DS_Store": b"x"})),
        ("a.tar", files.tarred(PICTURES)),
        ("a.tgz", files.tarred(PICTURES, "gz")),
        ("a.tar.xz", files.tarred(PICTURES, "xz")),
    ],
    ids=["zip", "tar", "tgz", "tar.xz"],
)
def test_images_by_directory(read, name, data):
    told = read(name, data)
    assert described(told) == {
        "image": ("image", "binary", [6, 8, 3]),
        "label": ("category", "string", []),
        "path": ("text", "string", []),
    }
    rows = read.table().to_pylist()
    assert {row["path"]: row["image"] for row in rows} == PICTURES
    assert [row["label"] for row in rows] == ["dog", "cat"] * 3
    assert told.profile.target == "label"


def test_images_of_different_forms(read):
    members = {"a/1.jpg": JPEG, "a/2.png": files.picture(8, 64, "L"), "b/3.webp": files.picture(9, 64, format_="WEBP")}
    told = read("a.zip", files.zipped(members))
    assert told.profile.columns[0].shape == [64, None, None]
    assert [row[0] for row in told.profile.preview] == ["JPEG 64x64", "PNG 8x64", "WEBP 9x64"]


def test_images_with_a_table_of_labels(read):
    table = b"id,age,name\n" + b"".join(b"%d,%d,n%d\n" % (number, number * 10, number) for number in reversed(range(5)))
    members = {f"img/{number}.jpg": files.picture(format_="JPEG", seed=number) for number in range(6)}
    told = read("a.zip", files.zipped(members | {"labels.csv": table}))
    assert described(told) == {
        "image": ("image", "binary", [6, 8, 3]),
        "age": ("number", "int64", []),
        "name": ("category", "string", []),
        "path": ("text", "string", []),
    }
    assert [(row["age"], row["path"]) for row in read.table().to_pylist()] == [
        (number * 10, f"img/{number}.jpg") for number in range(5)
    ]
    assert "labels.unlisted" in {finding.code for finding in told.findings}


def test_damaged_images_are_told_together(read):
    told = read("a.zip", files.zipped({f"a/{number}.jpg": JPEG[: 200 * number] for number in range(1, 4)}))
    assert [finding.code for finding in told.findings] == ["image.damaged"] * 3


def test_texts_by_directory(read):
    told = read("a.zip", files.zipped({"pos/1.txt": "schön".encode(), "neg/2.txt": b"bad" * 100}))
    assert told.profile.format is DatasetFormat.TEXTS
    assert [column.name for column in told.profile.columns] == ["text", "label", "path"]
    assert told.profile.preview == [
        ["schön", "pos", "pos/1.txt"],
        [("bad" * 100)[:200] + "...", "neg", "neg/2.txt"],
    ]


def test_records(read):
    examples = [
        files.example(x=[1.0, 2.0], y=[-1], name=[b"a"], image=[JPEG]),
        files.example(y=[2**40], name=["ü".encode()], image=[JPEG]),
    ]
    features = {**DECLARED["record_features"], "name": {"dtype": "string"}, "image": {"dtype": "image"}}
    told = read("a.tfrecord", files.records(*examples), record_features=features)
    assert described(told) == {
        "x": ("array", "float", [2]),
        "y": ("number", "int64", []),
        "name": ("category", "string", []),
        "image": ("image", "binary", [64, 64, 3]),
    }
    assert read.table().drop_columns(["image"]).to_pylist() == [
        {"x": [1.0, 2.0], "y": -1, "name": "a"},
        {"x": None, "y": 2**40, "name": "ü"},
    ]


def test_the_format_is_known_without_a_name(read):
    assert read("data", NUMBERS).profile.format is DatasetFormat.CSV
    assert read("data", b'{"a": 1}\n').profile.format is DatasetFormat.JSONL
    assert read("data", PARQUET).profile.format is DatasetFormat.PARQUET
    assert read("data", files.npz(x=np.arange(3))).profile.format is DatasetFormat.NPZ
    assert read("data", files.npy(np.arange(3))).profile.format is DatasetFormat.NPY
    assert read("data", files.zipped(PICTURES)).profile.format is DatasetFormat.IMAGES
    assert read("data", files.tarred(PICTURES, "gz")).profile.format is DatasetFormat.IMAGES
    assert read("data", RECORDS, **DECLARED).profile.format is DatasetFormat.TFRECORD


integers = st.integers(-(2**63), 2**63 - 1)


@RELAXED
@given(
    numbers=st.lists(integers, min_size=1, max_size=20),
    floats=st.lists(st.floats(width=32, allow_nan=False), min_size=1, max_size=20),
    texts=st.lists(st.binary(max_size=20), min_size=1, max_size=5),
)
def test_examples_come_back(numbers, floats, texts):
    found = features_of(files.example(numbers=numbers, floats=floats, texts=texts))
    assert found["numbers"].tolist() == numbers
    assert found["floats"].tolist() == floats
    assert found["texts"] == texts


def test_integers_may_stand_alone():
    unpacked = b"".join(files.varint(1 << 3) + files.varint(number) for number in (1, -2, 2**40))
    entry = files.field(1, b"y") + files.field(2, files.field(3, unpacked))
    assert features_of(files.field(1, files.field(1, entry)))["y"].tolist() == [1, -2, 2**40]


@RELAXED
@given(data=st.binary(max_size=60))
def test_other_bytes_are_no_example(data):
    try:
        features_of(data)
        packed_integers(data)
    except NotAnExample:
        pass


GOOD = {
    "a.csv": (NUMBERS, {}),
    "a.jsonl": (b'{"a": 1, "b": "x"}\n' * 20, {}),
    "a.npz": (files.npz(x=np.arange(12.0).reshape(4, 3), y=np.arange(4)), {}),
    "a.npy": (files.npy(np.arange(12.0).reshape(4, 3)), {}),
    "a.zip": (files.zipped(PICTURES), {}),
    "a.tar": (files.tarred(PICTURES), {}),
    "a.tar.gz": (files.tarred(PICTURES, "gz"), {}),
    "a.parquet": (PARQUET, {}),
    "a.tfrecord": (RECORDS, DECLARED),
}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), name=st.sampled_from(sorted(GOOD)))
def test_damaged_files_of_each_format_get_an_answer(read, data, name):
    good, options = GOOD[name]
    bad = bytearray(good)
    for _ in range(data.draw(st.integers(0, 4))):
        bad[data.draw(st.integers(0, len(bad) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(bad)))
    told = read(name, bytes(bad[:cut]) if data.draw(st.booleans()) else bytes(bad), **options)
    assert (told.profile is None) == any(finding.severity == "error" for finding in told.findings)


def test_a_length_that_is_a_lie_allocates_nothing(read):
    lie = struct.pack("<Q", 2**40)
    told = read("a.tfrecord", lie + struct.pack("<I", files.masked_crc(lie)), **DECLARED)
    assert [finding.code for finding in told.findings] == ["records.too_large"]
    assert told.profile is None
