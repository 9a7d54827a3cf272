"""The embedded stack's machinery, with real processes: the lock, the supervisor, the end of everything."""

import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from hornbeam.embedded.child import ChildProcess, Command, Part, stop_all, trim_log
from hornbeam.embedded.directory import RunNote, locked, read_note, write_note
from hornbeam.embedded.stack import Address, Stack
from hornbeam.embedded.supervisor import Supervisor
from hornbeam.errors import DirectoryInUse, InstallationError, PortInUse
from hornbeam.settings import Settings

SLEEP = "import time; time.sleep(600)"
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
)
WITH_A_CHILD = (
    "import subprocess, sys, time;"
    "print(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']).pid, flush=True);"
    "time.sleep(600)"
)


class Notes:
    """An observer that keeps what it is told."""

    def __init__(self) -> None:
        self.restarts: list[tuple[str, int | None, float]] = []

    def listening(self, url: str) -> None: ...

    def ready(self, seconds: float) -> None: ...

    def restarting(self, part: Part, status: int | None, seconds: float) -> None:
        self.restarts.append((part.name, status, seconds))


def _child(directory: Path, code: str, name: str = "child") -> ChildProcess:
    command = Command(name, [sys.executable, "-c", code], dict(os.environ), directory)
    return ChildProcess(command, directory / f"{name}.log")


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


def test_a_directory_is_held_by_one(tmp_path):
    with locked(tmp_path):
        write_note(tmp_path, RunNote(4711, "http://127.0.0.1:8000", {"api": 4712}))
        with pytest.raises(DirectoryInUse, match=r"process 4711, at http://127\.0\.0\.1:8000"), locked(tmp_path):
            pass
        assert read_note(tmp_path).children == {"api": 4712}
    with locked(tmp_path):
        pass


def test_a_note_that_outlived_its_writer_is_not_believed(tmp_path):
    write_note(tmp_path, RunNote(4711, "http://127.0.0.1:8000"))
    assert read_note(tmp_path) is None
    with locked(tmp_path):
        assert read_note(tmp_path) is None, "it is not of the one that holds the directory now"


def test_a_directory_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InstallationError, match="can't be used"), locked(tmp_path / "file" / "below"):
        pass


def test_a_child_that_is_killed_is_started_again_later_each_time(tmp_path, wait_until):
    child, notes = _child(tmp_path, SLEEP), Notes()
    supervisor = Supervisor([child], notes)
    supervisor.start()
    try:
        for _ in range(2):
            killed = child.pid
            os.kill(killed, signal.SIGKILL)
            wait_until(lambda killed=killed: supervisor.look() or child.pid != killed)
        assert notes.restarts == [("child", -9, 0.5), ("child", -9, 1.0)]
        assert _is_alive(supervisor.pids["child"])
    finally:
        stop_all([child], 5)
    assert not _is_alive(child.pid)


def test_a_child_that_does_not_listen_is_killed_in_time(tmp_path, wait_until):
    deaf = _child(tmp_path, STUBBORN)
    deaf.start()
    wait_until(lambda: deaf.log_path.read_text() == "deaf\n")
    stop_all([deaf], 0.2)
    assert deaf.poll() == -signal.SIGKILL


def test_what_a_child_started_ends_with_it(tmp_path, wait_until):
    child = _child(tmp_path, WITH_A_CHILD)
    child.start()
    grandchild = int(wait_until(child.log_path.read_text))
    stop_all([child], 5)
    wait_until(lambda: not _is_alive(grandchild))


def test_children_die_with_a_parent_that_is_killed(tmp_path, wait_until):
    code = f"""
import sys, time
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
from hornbeam.embedded.child import ChildProcess, Command
directory = Path({str(tmp_path)!r})
child = ChildProcess(Command("c", [sys.executable, "-c", {SLEEP!r}], {{}}, directory), directory / "c.log")
child.start()
print(child.pid, flush=True)
time.sleep(600)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        child = int(parent.stdout.readline())
        assert _is_alive(child)
        parent.kill()
    wait_until(lambda: not _is_alive(child))


def test_a_log_stays_bounded_while_it_is_written(tmp_path):
    path = tmp_path / "a.log"
    with path.open("ab", buffering=0) as log:
        log.write(b"x" * 100)
        trim_log(path, limit=50)
        log.write(b"more")
        assert path.read_bytes() == b"more"
    assert (tmp_path / "a.log.1").read_bytes() == b"x" * 100


def test_a_log_stays_bounded_where_no_copy_of_it_can_be_kept(tmp_path):
    (tmp_path / "a.log").write_text("x" * 100)
    (tmp_path / "a.log.1").mkdir()
    trim_log(tmp_path / "a.log", limit=50)
    assert (tmp_path / "a.log").read_bytes() == b""


def test_a_port_in_use_is_said_before_anything_starts(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        stack = Stack(Settings(data_dir=tmp_path), Address(port=port), Notes())
        with pytest.raises(PortInUse, match=str(port)):
            stack.run(threading.Event())
    assert not (tmp_path / "redis").exists()


def test_an_address_that_is_not_ours_is_refused(tmp_path):
    stack = Stack(Settings(data_dir=tmp_path), Address("192.0.2.1", 0), Notes())
    with pytest.raises(InstallationError, match=r"192\.0\.2\.1"):
        stack.run(threading.Event())


@pytest.mark.parametrize(
    ("host", "is_loopback"),
    [("127.0.0.1", True), ("127.0.0.9", True), ("localhost", True), ("::1", True), ("0.0.0.0", False), ("::", False),
     ("192.0.2.1", False), ("127.example", False), ("localhost.example", False)],
)  # fmt: skip
def test_an_address_knows_whether_others_reach_it(host, is_loopback):
    assert Address(host).is_loopback is is_loopback
