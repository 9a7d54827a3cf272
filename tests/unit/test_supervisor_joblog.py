"""Lines from pieces, batches, and the tail."""

import pytest

from workers.joblog import LONGEST_LINE, JobLog, LineSplitter


@pytest.fixture
def written():
    return []


def open_log(written, keep=100):
    return JobLog(written.extend, keep=keep)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_lines_are_put_together_from_pieces_of_any_size(size):
    content = b"first\n\nthird line\nno end"
    splitter = LineSplitter(100)
    pieces = [content[start : start + size] for start in range(0, len(content), size)]
    assert [line for piece in pieces for line in splitter.feed(piece)] == [b"first", b"", b"third line"]
    assert splitter.end() == [b"no end"]
    assert splitter.end() == []


@pytest.mark.parametrize("size", [1, 5, 1000])
def test_a_line_without_end_takes_no_more_memory_than_it_may(size):
    splitter = LineSplitter(10)
    lines = []
    content = b"x" * 100 + b"\nshort\n"
    for start in range(0, len(content), size):
        lines += splitter.feed(content[start : start + size])
    assert lines == [b"x" * 10, b"short"]


def test_streams_do_not_mix(written):
    log = open_log(written)
    log.feed("stdout", b"out")
    log.feed("stderr", b"err\n")
    log.feed("stdout", b"put\n")
    log.close()
    assert written == [("stderr", "err"), ("stdout", "output")]


def test_what_no_terminal_shows_is_left_out(written):
    log = open_log(written)
    log.feed("stdout", b"\x1b[31mred\x1b[0m\x00\x07\n1/3\r2/3\r3/3\nnot UTF-8: \xff\n")
    log.close()
    assert [text for _, text in written] == ["red", "3/3", "not UTF-8: �"]


def test_a_windows_line_is_a_line(written):
    log = open_log(written)
    log.feed("stdout", b"one\r\ntwo\r\n")
    log.close()
    assert [text for _, text in written] == ["one", "two"]


def test_a_batch_waits_until_it_is_due(written):
    log = open_log(written)
    log.feed("stdout", b"one\n")
    log.write_if_due()
    assert written == []
    log.close()
    assert written == [("stdout", "one")]


def test_past_the_limit_lines_are_in_the_tail_only(written):
    log = open_log(written, keep=3)
    log.feed("stdout", b"".join(b"line %d\n" % number for number in range(50)))
    log.close()
    assert len(written) == 4  # one more than is kept: from it the store knows that there was more
    assert log.tail == [f"line {number}" for number in range(30, 50)]


def test_remarks_are_the_services(written):
    log = open_log(written)
    log.remark("Going on from epoch 3.")
    log.close()
    assert written == [("service", "Going on from epoch 3.")]


def test_a_long_line_is_cut(written):
    log = open_log(written)
    log.feed("stdout", b"y" * (LONGEST_LINE + 500) + b"\n")
    log.close()
    assert len(written[0][1]) == LONGEST_LINE
