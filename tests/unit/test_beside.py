import os
import resource
import signal
from contextlib import closing
from functools import partial

import pytest

from workers.training.beside import Forked, Here, beside


def write_process_id(path):
    path.write_text(str(os.getpid()))


def write_only_in(process, path):
    if os.getpid() != process:
        raise RuntimeError("not here")
    write_process_id(path)


def fail():
    raise ValueError("it can't be drawn")


@pytest.fixture
def forked():
    with closing(Forked()) as made:
        yield made


def test_another_process_does_it(forked, tmp_path):
    forked.begin(partial(write_process_id, tmp_path / "file"))
    forked.finish()

    assert int((tmp_path / "file").read_text()) == forked.child != os.getpid()


def test_it_is_a_process_group_of_its_own(forked, wait_until):
    wait_until(lambda: os.getpgid(forked.child) == forked.child, timeout=5)


def test_what_fails_there_is_done_here(forked, tmp_path):
    forked.begin(partial(write_only_in, os.getpid(), tmp_path / "file"))
    forked.finish()

    assert int((tmp_path / "file").read_text()) == os.getpid()


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM])
def test_where_the_process_is_gone_it_is_done_here(forked, tmp_path, signum):
    os.kill(forked.child, signum)
    forked.begin(partial(write_process_id, tmp_path / "file"))
    forked.finish()

    assert int((tmp_path / "file").read_text()) == os.getpid()


@pytest.mark.parametrize("make", [Here, Forked])
def test_an_error_is_the_callers(make):
    with closing(make()) as made:
        made.begin(fail)
        with pytest.raises(ValueError, match="can't be drawn"):
            made.finish()


def test_where_somebody_else_has_waited_for_the_process_it_is_done_here(forked, tmp_path):
    forked.begin(partial(write_only_in, os.getpid(), tmp_path / "file"))
    os.waitpid(forked.child, 0)
    forked.finish()

    assert int((tmp_path / "file").read_text()) == os.getpid()


def test_a_process_that_inherited_the_pipe_is_not_waited_for(forked, tmp_path):
    other = os.fork()
    if other == 0:
        signal.pause()
    try:
        forked.begin(partial(write_process_id, tmp_path / "file"))
        forked.finish()
    finally:
        os.kill(other, signal.SIGKILL)
        os.waitpid(other, 0)

    assert int((tmp_path / "file").read_text()) == forked.child


@pytest.mark.parametrize("has_work", [True, False])
def test_nothing_is_left_of_it(tmp_path, has_work):
    with closing(Forked()) as made:
        if has_work:
            made.begin(partial(write_process_id, tmp_path / "file"))

    with pytest.raises(ChildProcessError):
        os.waitpid(made.child, 0)


def test_a_system_that_cannot_fork_is_done_without():
    trainer = os.fork()
    if trainer == 0:
        status = 1
        try:
            resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
            if os.getuid() == 0:
                os.setuid(65534)  # the limit is not root's
            status = 0 if type(beside()) is Here else 2
        finally:
            os._exit(status)

    assert os.waitpid(trainer, 0)[1] == 0


def test_it_ends_with_a_trainer_that_is_killed():
    reading, writing = os.pipe()
    trainer = os.fork()
    if trainer == 0:
        os.write(writing, f"{Forked().child}\n".encode())
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(trainer, 0)
    os.close(writing)

    # The child holds the writing end as well: the stream is at its end when it is gone.
    with os.fdopen(reading) as said:
        assert int(said.read()) > 0
