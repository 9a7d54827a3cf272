"""Files that cannot be datasets, made by code: each with the one finding that it gets."""

import bz2
import gzip
import io
import lzma
import pickle
import tarfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image

from hornbeam.ingest.protocol import IngestLimits
from tests.unit.ingest import files


@dataclass(frozen=True)
class BadFile:
    name: str
    data: bytes
    code: str
    says: tuple[str, ...] = ()
    """What the message has to name."""
    options: Mapping[str, Any] = field(default_factory=dict)
    limits: IngestLimits = field(default_factory=IngestLimits)
    id: str = ""


PICTURE = files.picture()
JPEG = files.picture(64, 64, format_="JPEG")
NUMBERS = b"a,b\n" + b"".join(b"%d,%d\n" % (number, number * 2) for number in range(1000))
NPZ = files.npz(x=np.arange(12.0).reshape(4, 3), y=np.arange(4))
PARQUET = files.parquet_of({"a": list(range(100)), "b": ["x"] * 100})
RECORDS = files.records(*(files.example(x=[1.0, 2.0], y=[number]) for number in range(5)))
DECLARED = {"record_features": {"x": {"dtype": "float32", "shape": [2]}, "y": {"dtype": "int64"}}}


def renamed_in_zip(data: bytes, old: bytes, new: bytes) -> bytes:
    assert len(old) == len(new)
    return data.replace(old, new)


def encrypted_zip() -> bytes:
    data = bytearray(files.zipped({"a/1.png": PICTURE}))
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    return bytes(data)


def zip_with_link() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("a/1.png", PICTURE)
        link = zipfile.ZipInfo("a/2.png")
        link.create_system = 3
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    return stream.getvalue()


def tar_with(kind: bytes, linkname: str = "/etc/passwd") -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        info = tarfile.TarInfo("a/1.png")
        info.type = kind
        info.linkname = linkname
        archive.addfile(info)
    return stream.getvalue()


def zip_twice() -> bytes:
    return renamed_in_zip(files.zipped({"a/1.png": PICTURE, "a/2.png": PICTURE}), b"a/2.png", b"a/1.png")


def nested_bomb() -> bytes:
    return files.zipped({"a/1.txt": b"0" * 200_000_000})


def large_picture() -> bytes:
    """A few kilobytes of PNG that say they are 30,000 x 30,000 pixels."""
    stream = io.BytesIO()
    Image.new("1", (30_000, 30_000)).save(stream, "PNG")
    return stream.getvalue()


def exploding_dictionary() -> bytes:
    """A million times the same megabyte, in a file of a few."""
    indices = pa.array(np.zeros(1_000_000, np.int32))
    column = pa.DictionaryArray.from_arrays(indices, pa.array(["x" * 2**20]))
    return files.parquet_of({"a": column}, compression="none", use_dictionary=True)


def long_column() -> bytes:
    """A billion times nothing at all."""
    return files.parquet_of({"a": pa.nulls(20_000_000, pa.int64())})


CSV = [
    BadFile("a.csv", b"", "file.empty"),
    BadFile("a.csv", b"\n\n\n", "file.no_rows", id="only-line-ends"),
    BadFile("a.csv", b"a,b\n", "file.no_rows", id="only-names"),
    BadFile("a.csv", b"a,b\n1,2\n3,4,5\n", "csv.ragged_row", ("Row 2", "line 3", "3 values", "2 columns")),
    BadFile("a.csv", b'a,b\n"1\n1",2\n3\n', "csv.ragged_row", ("Row 2", "line 4", "1 value,", '"b"'), id="short-row"),
    BadFile("a.csv", NUMBERS + b"7\n", "csv.ragged_row", ("Row 1001", "line 1002"), id="late-short-row"),
    BadFile("a.csv", NUMBERS + b"\xff,1\n", "csv.not_utf8", ("ine 1002", "row 1001", '"a"', "0xff")),
    BadFile("a.csv", b"a,b\nx,\xe9\n", "csv.not_utf8", ("0xe9",), id="latin-1"),
    BadFile("a.csv", b"a,b\nx,\xc3", "csv.not_utf8", id="cut-in-a-character"),
    BadFile("a.csv", "a,b\n1,2\n".encode("utf-16"), "csv.not_utf8", ("UTF-16",), id="utf-16"),
    BadFile("a.csv", b"a,b\n1,2\n3,\x004\n", "csv.nul_byte", ("ine 3",)),
    BadFile("a.csv", NUMBERS * 50 + b"5,\x00\n", "csv.nul_byte", ("row 50050", '"b"'), {"header": True}, id="late-nul"),
    BadFile("a.csv", b"a,a\n1,2\n", "column.duplicate_name", ('"a"',)),
    BadFile("a.csv", b"a,,b\n1,2,3\n", "column.no_name", ("Column 2",)),
    BadFile("a.csv", b"a" * 129 + b",b\n1,2\n", "column.bad_name"),
    BadFile("a.csv", b'a,b\n1,"x\n2,y\n', "csv.open_quote", ("Row 1",)),
    BadFile("a.csv", b'a,b\n1,2\n2,"y', "csv.open_quote", ("Row 2",), id="cut-in-quotes"),
    BadFile("a.csv", b"a,b\n1," + b"x" * (2**26 + 2**21) + b"\n", "csv.long_row"),
    BadFile(
        "a.csv", b"a,b\n1," + b"x" * 2000 + b"\n", "cell.too_large", ("Row 1", '"b"'), {}, IngestLimits(cell_bytes=1000)
    ),
    BadFile("a.csv", b"a,b\n1,2\n1,x\n", "column.not_number", ("Row 2", '"b"', '"x"'), {"kinds": {"b": "number"}}),
    BadFile("a.csv", b"a,b\n1,2\n", "kind.impossible", ('"b"',), {"kinds": {"b": "image"}}),
    BadFile("a.csv", b"a,b\n1,2\n", "column.not_boolean", ("Row 1", '"b"'), {"kinds": {"b": "boolean"}}),
    BadFile("a.csv", b"a,b\n1,2\n", "kind.unknown_column", ('"bb"',), {"kinds": {"bb": "text"}}),
    BadFile("a.csv", b"d\n2020-01-01\n2020-13-01\n", "column.not_datetime", ("Row 2",), {"kinds": {"d": "datetime"}}),
    BadFile("a.csv", b"a,b,c\n1,2,3\n", "file.too_many_columns", ("3",), {}, IngestLimits(columns=2)),
    BadFile("a.csv", NUMBERS, "file.too_many_rows", ("100",), {}, IngestLimits(rows=100)),
    BadFile("a.csv", NUMBERS, "table.too_large", (), {}, IngestLimits(table_bytes=1000)),
    BadFile("a.csv.gz", gzip.compress(NUMBERS)[:-10], "file.compression_damaged", id="gzip-cut"),
    BadFile("a.csv.bz2", bz2.compress(NUMBERS)[:-10], "file.compression_damaged", id="bzip2-cut"),
    BadFile("a.csv.xz", lzma.compress(NUMBERS)[:-10], "file.compression_damaged", id="xz-cut"),
    BadFile("a.csv.gz", gzip.compress(b"a\n" + b"1\n" * 20_000_000), "file.expansion", id="gzip-bomb"),
    BadFile("a.csv.xz", lzma.compress(b"a\n" + b"1\n" * 10_000_000, preset=0), "file.expansion", id="xz-bomb"),
]

JSON = [
    BadFile("a.jsonl", b"\n \n", "file.no_rows", id="jsonl-blank"),
    BadFile("a.jsonl", b'{"a": 1}\n{"a": "x"}\n', "jsonl.mixed_types", ("Line 2", '"a"')),
    BadFile("a.jsonl", b'{"a": 1}\n{"a":\n', "jsonl.not_json", ("Line 2",)),
    BadFile("a.jsonl", b'{"a": 1}\n{"a": 1, "a": 2}\n', "jsonl.duplicate_key", ("Line 2", '"a"')),
    BadFile("a.jsonl", b'{"a": 1}\n[1]\n', "jsonl.not_object", ("Line 2",)),
    BadFile("a.jsonl", b'{"a": 1, "b": {"c": 1}}\n', "jsonl.nested", ("Line 1", '"b"')),
    BadFile("a.jsonl", b'{"a": [1, "x"]}\n', "jsonl.mixed_types", ("Line 1", '"a"'), id="mixed-array"),
    BadFile("a.jsonl", b'{"a": [1, 2]}\n{"a": [1]}\n', "column.array_shape", ("Row 2", '"a"')),
    BadFile("a.jsonl", b'{"a": ["x"]}\n', "column.type", ('"a"',), id="array-of-text"),
    BadFile("a.jsonl", b'{"a": "\xff"}\n', "jsonl.not_utf8", ("Line 1",)),
    BadFile("a.jsonl", b'{"a": "\x00"}\n', "jsonl.nul_byte", ("Line 1",)),
    BadFile(
        "a.jsonl", b'{"a": 1}\n' * 200_000 + b'{"a": "x"}\n', "jsonl.mixed_types", ("Line 200001",), id="late-mixed"
    ),
    BadFile("a.jsonl", b"{" + b'"a":[' * 5000, "jsonl.not_json", ("Line 1",), id="deep"),
    BadFile("a.json", b'[{"a": 1}]', "file.unsupported", ("JSON array",)),
]

ARRAYS = [
    BadFile(
        "a.npy", files.npy_header("{'descr': '<f8', 'fortran_order': False, 'shape': (4294967296,)}"), "npy.cut_off"
    ),
    BadFile(
        "a.npy",
        files.npy_header("{'descr': '<f8', 'fortran_order': True, 'shape': (4294967296, 2)}"),
        "npy.cut_off",
        id="fortran-64-gib",
    ),
    BadFile(
        "a.npy",
        files.npy_header("{'descr': '<f8', 'fortran_order': False, 'shape': (2, 4294967296)}"),
        "cell.too_large",
        id="large-row",
    ),
    BadFile("a.npy", files.npy_header("{'descr': '<f8', 'shape': (2,)}"), "npy.header", id="no-order"),
    BadFile("a.npy", files.npy_header("__import__('os').abort()"), "npy.header", id="code"),
    BadFile("a.npy", files.npy_header("{'descr': '|O', 'fortran_order': False, 'shape': (2,)}"), "npz.object_array"),
    BadFile("a.npy", files.npy(np.array([{}], object), allow_pickle=True), "npz.object_array", id="real-objects"),
    BadFile("a.npy", files.npy(np.zeros(3, [("a", "f4"), ("b", "i4")])), "npz.dtype", id="structured"),
    BadFile("a.npy", files.npy(np.array(["x"])), "npz.dtype", id="text-array"),
    BadFile("a.npy", files.npy(np.zeros(3, complex)), "npz.dtype", id="complex"),
    BadFile("a.npy", files.npy(np.float64(3)), "npy.no_rows"),
    BadFile("a.npy", files.npy(np.zeros((0, 3))), "file.no_rows", id="npy-empty"),
    BadFile("a.npy", files.npy(np.zeros((3, 0))), "file.no_rows", id="npy-nothing-in-a-row"),
    BadFile("a.npy", files.npy(np.zeros((100, 3)))[:-5], "npy.cut_off", id="npy-cut"),
    BadFile("a.npy", files.npy(np.zeros((100, 3))) + b"1", "npy.too_long"),
    BadFile("a.npz", files.npz(x=np.zeros(3), y=np.zeros(4)), "npz.lengths_differ", ('"x" 3', '"y" 4')),
    BadFile("a.npz", NPZ[:-30], "archive.damaged", id="npz-cut"),
    BadFile("a.npz", files.zipped({"x.npy": files.npy(np.zeros(3)), "y.txt": b"1"}), "npz.member", ("y.txt",)),
    BadFile("a.npz", files.zipped({"x.npy": files.npy(np.zeros(3))[:-4]}), "npy.cut_off", ('"x"',), id="cut-member"),
    BadFile("a.npz", files.zipped({"x.npy": b"nonsense"}), "npy.header", ("x.npy",)),
    BadFile(
        "a.npz", files.zipped({"x.npy": files.npy(np.zeros(50_000_000, np.int8))}), "archive.expansion", id="npz-bomb"
    ),
    BadFile("a.npz", files.zipped({}), "file.no_rows", id="npz-empty"),
]

PARQUETS = [
    BadFile("a.parquet", PARQUET[:-5], "parquet.damaged"),
    BadFile("a.parquet", b"PAR1" + b"\0" * 100, "parquet.damaged", id="no-metadata"),
    BadFile("a.parquet", PARQUET[:60] + b"\xff" * 30 + PARQUET[90:], "parquet.damaged", id="pages-overwritten"),
    BadFile("a.csv", PARQUET, "file.mislabelled", ("csv", "Parquet"), id="parquet-named-csv"),
    BadFile("a.parquet", NUMBERS, "file.mislabelled", ("parquet", "text"), id="csv-named-parquet"),
    BadFile("a.parquet", files.parquet_of({"a": [{"b": 1}]}), "column.type", ('"a"',), id="struct"),
    BadFile(
        "a.parquet",
        files.parquet_of({"a": pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int64()))}),
        "column.type",
        id="map",
    ),
    BadFile("a.parquet", files.parquet_of({"a": [["x"]]}), "column.type", id="list-of-text"),
    BadFile(
        "a.parquet", files.parquet_of({"a": [[1, 2], [3]]}), "column.array_shape", ("Row 2", '"a"'), id="ragged-list"
    ),
    BadFile("a.parquet", files.parquet_of({"a": [b"no image"]}), "image.unknown", ("row 1", '"a"'), id="bytes"),
    BadFile("a.parquet", files.parquet_of({"a": pa.array([], pa.int64())}), "file.no_rows", id="parquet-no-rows"),
    BadFile(
        "a.parquet",
        files.parquet_of({"a": [1]}),
        "file.too_many_columns",
        (),
        {},
        IngestLimits(columns=0),
        id="columns",
    ),
    BadFile("a.parquet", PARQUET, "file.too_many_rows", (), {}, IngestLimits(rows=10), id="parquet-rows"),
    BadFile(
        "a.parquet", exploding_dictionary(), "table.too_large", (), {}, IngestLimits(table_bytes=2**26), id="dictionary"
    ),
    BadFile("a.parquet", long_column(), "table.too_large", (), {}, IngestLimits(table_bytes=2**26), id="long-column"),
]

ARCHIVES = [
    BadFile("a.zip", files.zipped({}), "file.no_rows", id="zip-empty"),
    BadFile("a.zip", files.zipped({"../1.png": PICTURE}), "archive.member_path", ("../1.png",)),
    BadFile("a.zip", files.zipped({"/a/1.png": PICTURE}), "archive.member_path", id="absolute"),
    BadFile("a.zip", files.zipped({"a\\..\\1.png": PICTURE}), "archive.member_path", id="backslashes"),
    BadFile("a.tar", files.tarred({"a/../../1.png": PICTURE}), "archive.member_path", id="tar-dots"),
    BadFile("a.tar", files.tarred({"/a/1.png": PICTURE}), "archive.member_path", id="tar-absolute"),
    BadFile("a.zip", files.zipped({"a/1.zip": b"PK"}), "archive.nested", ("a/1.zip",)),
    BadFile("a.tar.gz", files.tarred({"a/1.tar.gz": b"x"}, "gz"), "archive.nested", id="tar-nested"),
    BadFile("a.zip", encrypted_zip(), "archive.encrypted", ("a/1.png",)),
    BadFile("a.zip", zip_twice(), "archive.duplicate_member", ("a/1.png",)),
    BadFile("a.zip", zip_with_link(), "archive.link", ("a/2.png",)),
    BadFile("a.tar", tar_with(tarfile.SYMTYPE), "archive.link", id="tar-symlink"),
    BadFile("a.tar", tar_with(tarfile.LNKTYPE), "archive.link", id="tar-hard-link"),
    BadFile("a.tar", tar_with(tarfile.CHRTYPE), "archive.link", id="tar-device"),
    BadFile("a.zip", files.zipped({"a/1.png": PICTURE})[:-30], "archive.damaged", id="zip-cut"),
    BadFile("a.tar", files.tarred({"a/1.png": PICTURE * 20})[:1500], "archive.damaged", id="tar-cut"),
    BadFile("a.tar.gz", files.tarred({"a/1.png": PICTURE}, "gz")[:-20], "file.compression_damaged", id="tar-gz-cut"),
    BadFile("a.zip", nested_bomb(), "archive.expansion"),
    BadFile("a.tar.gz", files.tarred({"a/1.txt": b"0" * 200_000_000}, "gz"), "file.expansion", id="tar-bomb"),
    BadFile(
        "a.zip",
        files.zipped({f"a/{number}.png": PICTURE for number in range(20)}),
        "archive.too_many_members",
        ("10",),
        {},
        IngestLimits(members=10),
    ),
    BadFile("a.zip", files.zipped({"a.csv": NUMBERS}), "archive.of_tables", ("a.csv",)),
    BadFile("a.zip", files.zipped({"a/1.png": b"nonsense"}), "image.unknown", ("a/1.png",)),
    BadFile("a.zip", files.zipped({"a/1.jpg": JPEG[:-100]}), "image.damaged", ("a/1.jpg",)),
    BadFile("a.zip", files.zipped({"a/1.png": PICTURE[:-30]}), "image.damaged", id="png-cut"),
    BadFile("a.zip", files.zipped({"a/1.png": large_picture()}), "image.too_large", ("30000 x 30000",)),
    BadFile("a.zip", files.zipped({"a/1.png": PICTURE, "2.png": PICTURE}), "images.no_class", ("2.png",)),
    BadFile(
        "a.zip",
        files.zipped({"a/1.png": PICTURE * 99}),
        "cell.too_large",
        ("a/1.png",),
        {},
        IngestLimits(cell_bytes=999),
        id="large-member",
    ),
    BadFile(
        "a.zip", files.zipped({"1.png": PICTURE, "l.csv": b"file,y\n2.png,1\n"}), "labels.no_image", ("Row 1", "2.png")
    ),
    BadFile("a.zip", files.zipped({"1.png": PICTURE, "l.csv": b"file,y\n1.png,1\n1.png,2\n"}), "labels.twice", ("2",)),
    BadFile(
        "a.zip", files.zipped({"1.png": PICTURE, "l.csv": b"a,y\n1.png,1,2\n"}), "csv.ragged_row", id="labels-ragged"
    ),
    BadFile("a.zip", files.zipped({"1.png": PICTURE, "l.csv": b"a\n", "m.csv": b"a\n"}), "images.label_files"),
    BadFile(
        "a.zip",
        files.zipped({"1.png": PICTURE, "l.csv": b"file,path\n1.png,1\n"}),
        "labels.column_name",
        id="label-named-path",
    ),
    BadFile("a.zip", files.zipped({"pos/1.txt": b"\xff"}), "text.not_utf8", ("pos/1.txt",)),
    BadFile("a.zip", files.zipped({"pos/1.txt": b"a\x00"}), "text.nul_byte", ("pos/1.txt",)),
    BadFile("a.zip", files.zipped({"1.txt": b"a", "pos/2.txt": b"b"}), "texts.no_class", ("1.txt",)),
    BadFile(
        "a.zip", files.zipped({"a/1.txt": b"x"}), "images.none", (), {"format": "images"}, id="texts-said-to-be-images"
    ),
]

RECORD_FILES = [
    BadFile("a.tfrecord", RECORDS, "records.no_features", ('"x" (2 floats)', '"y" (1 integers)')),
    BadFile("a.tfrecord", RECORDS[:-3], "records.cut_off", ("Record 5",), DECLARED),
    BadFile("a.tfrecord", RECORDS[:-3] + b"abc", "records.checksum", ("Record 5",), DECLARED),
    BadFile("a.tfrecord", RECORDS + b"12", "records.cut_off", ("Record 6",), DECLARED, id="cut-in-a-length"),
    BadFile("a.tfrecord", RECORDS + b"\xff" * 12, "records.checksum", ("Record 6",), DECLARED, id="wrong-length"),
    BadFile("a.tfrecord", files.records(b"\xff\xff"), "records.not_example", ("Record 1",), DECLARED),
    BadFile(
        "a.tfrecord",
        files.records(files.example(x=[1.0], y=[1])),
        "records.feature_shape",
        ("Record 1", '"x"'),
        DECLARED,
    ),
    BadFile(
        "a.tfrecord",
        files.records(files.example(x=[1, 2], y=[1])),
        "records.feature_type",
        ('"x"', "integers"),
        DECLARED,
    ),
    BadFile(
        "a.tfrecord",
        files.records(files.example(s=[b"\xff"])),
        "records.not_utf8",
        ('"s"',),
        {"record_features": {"s": {"dtype": "string"}}},
    ),
    BadFile(
        "a.tfrecord",
        files.records(files.example(s=[b"x"])),
        "image.unknown",
        ("row 1", '"s"'),
        {"record_features": {"s": {"dtype": "image"}}},
        id="no-image",
    ),
    BadFile(
        "a.tfrecord",
        RECORDS,
        "records.shape_of_text",
        ('"s"',),
        {"record_features": {"s": {"dtype": "string", "shape": [2]}}},
    ),
    BadFile("a.tfrecord", NUMBERS, "file.mislabelled", ("tfrecord",), DECLARED, id="csv-named-tfrecord"),
]

OTHERS = [
    BadFile("a.pkl", pickle.dumps({"a": 1}), "file.unsupported", ("pickle",), id="pickle"),
    BadFile("a.h5", b"\x89HDF\r\n\x1a\n" + b"\0" * 100, "file.unsupported", ("HDF5",), id="hdf5"),
    BadFile("a.bin", bytes(range(256)), "file.unknown"),
    BadFile("a.png", PICTURE, "file.unsupported", ("image",), id="one-image"),
    BadFile("a.csv", NPZ, "file.mislabelled", ("csv", "ZIP"), id="npz-named-csv"),
    BadFile("a.npz", PARQUET, "file.mislabelled", ("npz", "Parquet"), id="parquet-named-npz"),
    BadFile("a.parquet.gz", gzip.compress(PARQUET), "file.mislabelled", ("gzip",), id="parquet-gz"),
    BadFile("a.dat", NUMBERS, "file.mislabelled", ("npy",), {"format": "npy"}, id="csv-said-to-be-npy"),
]

BAD_FILES = [*CSV, *JSON, *ARRAYS, *PARQUETS, *ARCHIVES, *RECORD_FILES, *OTHERS]
