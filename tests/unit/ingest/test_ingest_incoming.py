"""A file that is still arriving, and one that stops arriving."""

import threading

import pytest

from hornbeam.ingest.answering import answer
from hornbeam.ingest.incoming import Arrival
from hornbeam.ingest.protocol import END, IngestRequest
from hornbeam.ingest.refusals import Abandoned, FileRefused
from tests.unit.ingest import files

NUMBERS = b"a,b,name\n" + b"".join(b"%d,%d.5,n%d\n" % (row, row, row % 7) for row in range(200_000))


class Growing:
    """A file that grows as a test says."""

    def __init__(self, path):
        self.path = path
        path.write_bytes(b"")
        self.told = threading.Semaphore(0)
        self.lines = []
        self.arrival = Arrival(path)
        self.thread = threading.Thread(target=self.arrival.follow, args=(self._told(),), daemon=True)
        self.thread.start()

    def _told(self):
        while True:
            self.told.acquire()
            line = self.lines.pop(0)
            if line is None:
                return
            yield line

    def tell(self, line):
        self.lines.append(line)
        self.told.release()

    def grow(self, data):
        with self.path.open("ab") as file:
            file.write(data)
        self.tell(f"{self.path.stat().st_size}\n")

    def end(self):
        self.tell(END + "\n")
        self.thread.join()

    def stop(self):
        self.tell(None)
        self.thread.join()


@pytest.fixture
def growing(tmp_path):
    return Growing(tmp_path / "arriving")


def test_a_read_waits_for_all_of_what_it_asks_for(growing):
    read = []
    reader = threading.Thread(target=lambda: read.append(growing.arrival.open().read(6)))
    reader.start()
    growing.grow(b"abc")
    reader.join(0.05)
    assert reader.is_alive()
    growing.grow(b"defghi")
    reader.join()
    assert read == [b"abcdef"]
    growing.end()
    file = growing.arrival.open()
    assert (file.seek(-2, 2), file.read(), file.read(1)) == (7, b"hi", b"")


def test_what_nobody_wants_any_more_is_abandoned(growing):
    growing.grow(b"abc")
    growing.stop()
    with pytest.raises(Abandoned):
        growing.arrival.open().read(1000)


def test_a_file_shorter_than_was_told(growing):
    growing.grow(b"abc")
    growing.tell("10\n")
    growing.end()
    with pytest.raises(FileRefused, match=r"file\.cut_off"):
        growing.arrival.open().read()


@pytest.mark.parametrize(
    ("name", "data", "options"),
    [
        ("a.csv", NUMBERS, {}),
        ("a.jsonl", b'{"a": 1, "b": "x"}\n' * 100_000, {}),
        ("a.parquet", files.parquet_of({"a": list(range(1000))}), {}),
        ("a.zip", files.zipped({f"{row % 2}/{row}.png": files.picture(seed=row) for row in range(20)}), {}),
        ("a.tar.gz", files.tarred({f"{row % 2}/{row}.txt": b"text" for row in range(20)}, "gz"), {}),
        (
            "a.tfrecord",
            files.records(*(files.example(y=[row]) for row in range(1000))),
            {"record_features": {"y": {"dtype": "int64"}}},
        ),
    ],
    ids=["csv", "jsonl", "parquet", "zip", "tar.gz", "tfrecord"],
)
def test_how_a_file_arrives_changes_nothing(read, growing, tmp_path, name, data, options):
    whole = read(name, data, **options)
    assert whole.profile
    workdir = tmp_path / "work"
    workdir.mkdir()
    request = IngestRequest(path=str(growing.path), name=name, options=options, workdir=str(workdir))
    told = []
    reader = threading.Thread(target=lambda: told.append(answer(request, growing.arrival)))
    reader.start()
    step = max(len(data) // 7, 1)
    for place in range(0, len(data), step):
        growing.grow(data[place : place + step])
    growing.end()
    reader.join()
    assert told == [whole]
