"""A part that failed is left alone for a moment."""

from hornbeam.queue.circuit import Circuit


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def test_it_is_open_for_a_moment_after_each_failure():
    clock = Clock()
    circuit = Circuit(1.0, clock=clock)
    assert not circuit.is_open
    circuit.failed()
    assert circuit.is_open
    clock.now += 0.9
    assert circuit.is_open
    clock.now += 0.1
    assert not circuit.is_open
    circuit.failed()
    assert circuit.is_open


def test_only_the_first_failure_in_a_row_is_worth_a_word():
    circuit = Circuit()
    assert circuit.failed()
    assert not circuit.failed()
    circuit.worked()
    assert circuit.failed()
