"""CSV: delimiters, names, types, widening, what is told of places; and Python's csv module agrees."""

import csv
import io
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hornbeam.ingest.protocol import IngestLimits
from schemas.stored_datasets import ColumnKind
from tests.unit.ingest import files

RELAXED = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def rows_of(read):
    return [tuple(row.values()) for row in read.table().to_pylist()]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_guessed(read, delimiter):
    told = read("a.csv", "a,b,c\n1,2.5,x y\n2,3,z\n".replace(",", delimiter).encode())
    assert told.profile.options.delimiter == delimiter
    assert [(column.name, column.dtype) for column in told.profile.columns] == [
        ("a", "int64"),
        ("b", "double"),
        ("c", "string"),
    ]


def test_a_delimiter_that_is_told_is_taken(read):
    told = read("a.csv", b"a:b\n1:2,5\n", delimiter=":")
    assert rows_of(read) == [(1, "2,5")]
    assert told.profile.options.delimiter == ":"


@pytest.mark.parametrize(
    ("text", "header"),
    [
        (b"a,b\n1,2\n", True),
        (b"1,2\n3,4\n", False),
        (b"a,b\nx,y\n", True),
        (b"5.1,3.5,setosa\n4.9,3.0,setosa\n", False),
        (b"\xef\xbb\xbfa,b\n1,2\n", True),
    ],
)
def test_a_header_is_guessed(read, text, header):
    told = read("a.csv", text)
    assert told.profile.options.header is header
    assert told.profile.rows == text.count(b"\n") - header
    assert told.profile.columns[0].name == ("a" if header else "column_1")


def test_names_lose_the_space_around_them(read):
    told = read("a.csv", b"a, b\n1,02134\n", kinds={"b": "category"})
    assert [column.name for column in told.profile.columns] == ["a", "b"]
    assert rows_of(read) == [(1, "02134")]


def test_categories_keep_their_leading_zeros(read):
    told = read("a.csv", b"zip,n\n01234,1\n00001,2\n", kinds={"zip": "category"})
    column = told.profile.columns[0]
    assert column.kind is ColumnKind.CATEGORY
    assert [(value.value, value.count) for value in column.values] == [("00001", 1), ("01234", 1)]


def test_kinds_are_guessed(read):
    text = b"n,f,flag,when,name,clock,none\n1,1.5,true,2020-01-02,ann,10:30,\n"
    text += b"2,nan,False,2020-01-03T04:05:06,bob,9:00,NA\n"
    told = read("a.csv", text)
    kinds = {column.name: (column.kind.value, column.dtype) for column in told.profile.columns}
    assert kinds == {
        "n": ("number", "int64"),
        "f": ("number", "double"),
        "flag": ("boolean", "bool"),
        "when": ("datetime", "timestamp[us]"),
        "name": ("category", "string"),
        "clock": ("category", "string"),
        "none": ("number", "double"),
    }
    assert rows_of(read)[1] == (
        2,
        None,
        False,
        datetime(2020, 1, 3, 4, 5, 6, tzinfo=UTC).replace(tzinfo=None),
        "bob",
        "9:00",
        None,
    )


def test_what_is_missing_can_be_told(read):
    told = read("a.csv", b"a,b\n?,x\n1,NA\n", missing=["?"])
    assert rows_of(read) == [(None, "x"), (1, "NA")]
    assert told.profile.options.missing == ["?"]


@pytest.mark.parametrize("ending", files.PACKED)
def test_compressed_files_are_read(read, ending):
    pack = files.PACKED[ending]
    told = read(f"a.csv.{ending}", pack(b"a,b\n1,2\n") + pack(b"3,4\n"))
    assert told.profile.rows == 2
    assert rows_of(read) == [(1, 2), (3, 4)]


class TestWidening:
    """The first block is about a megabyte; what comes later may be wider."""

    ROWS = 300_000

    def test_integers_become_floats_without_losing_any(self, read):
        told = read("a.csv", b"a,b\n" + b"1,1\n" * self.ROWS + b"2.5,7\n")
        assert [column.dtype for column in told.profile.columns] == ["double", "int64"]
        assert told.profile.rows == self.ROWS + 1
        assert told.profile.columns[0].maximum == 2.5
        assert "column.mixed" not in {finding.code for finding in told.findings}

    def test_numbers_become_text_as_they_were_written(self, read):
        told = read("a.csv", b"a,b,c\n" + b"007,1,true\n" * self.ROWS + b"x,2.5,maybe\n")
        assert [column.dtype for column in told.profile.columns] == ["string", "double", "string"]
        assert [value.value for value in told.profile.columns[0].values] == ["007", "x"]
        [mixed] = [finding for finding in told.findings if finding.code == "column.mixed"]
        assert "row 300001" in mixed.message

    def test_a_column_that_was_empty_at_first(self, read):
        told = read("a.csv", b"a,b\n" + b"1,\n" * self.ROWS + b"1,2020-01-01\n")
        assert told.profile.columns[1].kind is ColumnKind.DATETIME
        assert told.profile.columns[1].missing == self.ROWS

    def test_a_number_that_is_said_to_be_one_and_is_not(self, read):
        told = read("a.csv", b"a,b\n" + b"1,1\n" * self.ROWS + b"1,x\n", kinds={"b": "number"})
        assert [finding.code for finding in told.findings] == ["column.not_number"]
        assert "Row 300001" in told.findings[0].message

    def test_a_category_that_turns_out_to_be_text(self, read):
        lines = b"".join(b"%d,v%d\n" % (row, row % 10 if row < 150_000 else row) for row in range(200_000))
        told = read("a.csv", b"a,b\n" + lines)
        assert told.profile.columns[1].kind is ColumnKind.TEXT
        assert read.table().schema.field("b").metadata[b"hornbeam.kind"] == b"text"

    def test_a_row_longer_than_a_block(self, read):
        told = read("a.csv", b"a,b\n1,y\n2," + b"x" * 3_000_000 + b"\n3,z\n")
        assert told.profile.rows == 3
        assert told.profile.columns[1].maximum == 3_000_000


def test_a_few_values_that_are_no_numbers(read):
    told = read(
        "a.csv", b"a,b\n" + b"".join(b"%d,%s\n" % (row, b"oops" if row == 41 else b"1.5") for row in range(100))
    )
    [mixed] = [finding for finding in told.findings if finding.code == "column.mixed"]
    assert all(words in mixed.message for words in ("row 42", '"b"', '"oops"'))


def test_a_reading_with_what_was_found_out_gives_the_same_table(read):
    text = b"a;b\n" + b"".join(b"%d;%s\n" % (row, b"xyz"[row % 3 : row % 3 + 1]) for row in range(5000))
    first = read("a.csv", text)
    options = first.profile.options.model_dump(mode="json", exclude_none=True)
    assert read("other.csv", text, **options).model_dump() == first.model_dump()


cells = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00\r"), min_size=1, max_size=8)


@RELAXED
@given(rows=st.lists(st.tuples(cells, cells, cells), min_size=1, max_size=20), delimiter=st.sampled_from(",;\t|"))
def test_texts_come_back_as_pythons_writer_wrote_them(read, rows, delimiter):
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter=delimiter, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerows([("a", "b", "c"), *rows])
    kinds = dict.fromkeys("abc", "text")
    told = read("a.csv", stream.getvalue().encode(), header=True, delimiter=delimiter, missing=[], kinds=kinds)
    assert not [finding for finding in told.findings if finding.severity == "error"]
    assert rows_of(read) == rows


@RELAXED
@given(
    rows=st.lists(
        st.tuples(st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False, allow_infinity=False), st.booleans()),
        min_size=1,
        max_size=30,
    )
)
def test_numbers_come_back(read, rows):
    lines = "".join(f"{number},{float_!r},{str(flag).lower()}\n" for number, float_, flag in rows)
    told = read("a.csv", f"n,f,b\n{lines}".encode())
    assert told.profile.rows == len(rows)
    assert rows_of(read) == rows


@RELAXED
@given(data=st.binary(max_size=200))
def test_no_bytes_do_anything_but_get_an_answer(read, data):
    told = read("a.csv", data)
    assert (told.profile is None) == any(finding.severity == "error" for finding in told.findings)


def test_what_is_wrong_with_earlier_rows_is_told_first(read):
    """Although the later ones are read while the earlier ones are written."""
    rows = [b"1," + b"x" * 50] * 200_000
    rows[5] = b"1," + b"x" * 2000
    rows[150_000] = b"1"
    data = b"a,b\n" + b"\n".join(rows) + b"\n"
    [finding] = read("a.csv", data, limits=IngestLimits(cell_bytes=1000)).findings
    assert finding.code == "cell.too_large"
    [finding] = read("a.csv", data).findings
    assert finding.code == "csv.ragged_row"
