"""What to do about a layer that does not fit, from Keras's message and the shape that it was given.

Pure: it needs no Keras. Unknown messages get no advice.
"""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

Shape = Sequence[int | None]

_RANKS = re.compile(r"expected (min_)?ndim=(\d+), found ndim=(\d+)")
_RECURRENT = frozenset({"LSTM", "GRU", "SimpleRNN", "RNN", "Bidirectional"})


def advise(layer: Mapping[str, Any], shape: Shape | None, message: str) -> str | None:
    """A suggestion for a layer that raised `message` when called on a batch of `shape`.

    Args:
        layer: The layer's normalised spec.
        shape: The input's shape, batch first.
        message: What Keras said.
    """
    kind = layer["type"]
    ranks = _RANKS.search(message)
    if ranks is not None and shape is not None:
        return _reshape(kind, int(ranks[2]), shape)
    if "negative" in message.lower() and ("strides" in layer or "pool_size" in layer):
        return 'Use padding: "same", a smaller window, or fewer such layers.'
    if kind == "Reshape" and shape is not None and None not in shape[1:]:
        return f"The numbers of target_shape must multiply to {math.prod(_known(shape))}, the size of one example."
    return None


def _reshape(kind: str, wanted: int, shape: Shape) -> str | None:
    example = _known(shape)
    if len(example) != len(shape) - 1:
        return None
    if len(example) + 1 > wanted:
        return "Insert a Flatten, or a pooling layer such as GlobalAveragePooling2D, before it."
    target = _target(kind, wanted, example)
    return None if target is None else f"Insert {{type: Reshape, target_shape: {target}}} before it: {_why(kind)}"


def _target(kind: str, wanted: int, example: list[int]) -> list[int] | None:
    if len(example) == wanted - 2 and len(example) > 1:
        return [*example, 1]
    if len(example) != 1:
        return None
    size = example[0]
    if wanted == 3:
        return list(_rectangle(size)) if _is_recurrent(kind) else [size, 1]
    return [*_rectangle(size), 1] if wanted == 4 else None


def _is_recurrent(kind: str) -> bool:
    return kind in _RECURRENT or "LSTM" in kind or "RNN" in kind


def _why(kind: str) -> str:
    if _is_recurrent(kind):
        return "it wants sequences, (timesteps, features)."
    if kind.endswith("1D"):
        return "it wants (steps, channels)."
    return "it wants images, (height, width, channels)." if kind.endswith("2D") else "it wants more axes."


def _rectangle(size: int) -> tuple[int, int]:
    """The two factors of `size` that are closest to each other, the larger first."""
    width = next(factor for factor in range(math.isqrt(size), 0, -1) if size % factor == 0)
    return size // width, width


def _known(shape: Shape) -> list[int]:
    return [size for size in shape[1:] if size is not None]
