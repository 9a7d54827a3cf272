"""What an optimizer keeps about each weight, asked of the optimizer itself: Keras's, an operator's, a wrapped one.

It is built for small stand-ins whose axes are distinct primes; the shapes of what it then keeps, in terms of these
primes, hold for weights of any size. So nothing of a large model's is allocated. Single numbers are left out: most are
counters.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import keras

from workers.training.estimates.calls import item_size
from workers.training.estimates.timeline import Update

_STAND_INS = ((), (59,), (47, 53), (37, 41, 43), (19, 23, 29, 31), (5, 7, 11, 13, 17))
"""The shape of a stand-in of each rank. No prime comes twice, and none is a usual constant."""
_MOST_AXES = len(_STAND_INS) - 1

_Kept = tuple[tuple[int, ...], int]
"""The shape of a variable and the bytes of its elements."""


@dataclass(frozen=True, slots=True)
class OptimizerState:
    """What an optimizer keeps, as a function of the weights' shapes."""

    by_rank: Sequence[Sequence[_Kept]]
    """What it keeps for a stand-in of no axes, of one, and so on."""
    waits_for_all: bool
    """Whether it wants all gradients before it updates a weight: to measure them together, or to decay it first."""

    @classmethod
    def of(cls, optimizer: Any) -> "OptimizerState":
        """Ask an optimizer, which is built by this and can train nothing afterwards. Raises what its methods raise."""
        kept = _kept_for_stand_ins(optimizer)
        by_rank = [[each for each in kept if _is_about(each, stand_in)] for stand_in in _STAND_INS]
        return cls(by_rank, waits_for_all=_waits_for_all(optimizer))

    @property
    def is_empty(self) -> bool:
        """Whether nothing is kept about single weights, as plain SGD does."""
        return not any(self.by_rank)

    @property
    def update(self) -> Update:
        """How it updates weights: plain SGD with one temporary tensor, Adam and its kind with three."""
        return Update(temporaries=1 if self.is_empty else 3, waits_for_all=self.waits_for_all)

    def bytes(self, weights: Iterable[Any]) -> int:
        """What is kept about all of these weights."""
        return sum(self._bytes_for(tuple(weight.shape)) for weight in weights)

    def _bytes_for(self, shape: tuple[int, ...]) -> int:
        # Of more axes than a stand-in has, the last ones count as one: how they are arranged makes no difference.
        if len(shape) > _MOST_AXES:
            shape = (*shape[: _MOST_AXES - 1], math.prod(shape[_MOST_AXES - 1 :]))
        return sum(item * math.prod(_in_full(axis, shape) for axis in kept) for kept, item in self.by_rank[len(shape)])


def _kept_for_stand_ins(optimizer: Any) -> list[_Kept]:
    """The shapes of all that it makes when it is built; single numbers are left out."""
    before = {id(variable) for variable in optimizer.variables}
    optimizer.build([keras.Variable(initializer="zeros", shape=shape, name="kernel") for shape in _STAND_INS[1:]])
    new = [variable for variable in optimizer.variables if id(variable) not in before]
    return [(tuple(variable.shape), item_size(str(variable.dtype))) for variable in new if tuple(variable.shape)]


def _is_about(kept: _Kept, stand_in: tuple[int, ...]) -> bool:
    return any(axis % prime == 0 for axis in kept[0] for prime in stand_in)


def _waits_for_all(optimizer: Any) -> bool:
    scales_loss = isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
    return scales_loss or bool(optimizer.global_clipnorm) or bool(optimizer.weight_decay)


def _in_full(axis: int, shape: tuple[int, ...]) -> int:
    """The length of an axis that is `axis` long for a stand-in: an axis of the weight, or several in one."""
    length = 1
    for prime, size in zip(_STAND_INS[len(shape)], shape, strict=True):
        if axis % prime == 0:
            axis //= prime
            length *= size
    return axis * length
