"""Where Keras (3.15) is wrong about what layers give that encode numbers or words, or which inputs they take.

Keras builds a model from the shapes that its layers announce. Where another comes out, the model would be proven and
fail in its first step. A test tries these layers, and sees that they still are so. Leaves calling layers to
`workers.training.assembly`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import keras

Shape = Sequence[int | None]

_COUNTING = frozenset({"multi_hot", "count", "tf_idf"})
_COUNTERS = frozenset({"CategoryEncoding", "Hashing", "IntegerLookup", "StringLookup"})
_ONE_BY_ONE = "Give each column to a layer of its own, of shape [1]."
_APART = "Use output_mode: int, and a CategoryEncoding with output_mode: one_hot behind it."


def misjudged(layer: Mapping[str, Any], shapes: Sequence[Shape]) -> tuple[str, str] | None:
    """What keeps a layer from being called on tensors of these shapes, batch first, and a suggestion.

    Args:
        layer: Its normalised spec.
        shapes: Of what it is called on.
    """
    kind, mode, shape = layer.get("type"), layer.get("output_mode"), tuple(shapes[0])
    if kind == "HashedCrossing" and any(tuple(each[1:]) not in ((), (1,)) for each in shapes):
        return "it crosses one column with another, and gets several at once", _ONE_BY_ONE
    if kind == "TextVectorization" and layer.get("split") is not None and shape[1:] not in ((), (1,)):
        return "it splits one text a row, and gets several", _ONE_BY_ONE
    if kind == "Hashing" and mode == "one_hot" and (shape[-1] != 1 or shape[-2:] == (1, 1)):
        return "Keras takes the shape of its one-hot codes of several columns for that of one", _APART
    if kind in _COUNTERS and mode in _COUNTING and shape[2:] != shape[1:-1]:
        # It counts along the first axis after the batch, and announces that it does so along the last.
        return f"Keras takes the shape of its {mode} codes for another where there are several axes", _APART
    return None


def squeezed(layer: Mapping[str, Any], made: Any) -> Any | None:
    """A layer to stand behind one whose output has an axis less than Keras says; None where that is right.

    `TextVectorization` counts the words of the one text in each row, and announces (batch, 1, words) for a matrix.
    """
    if layer.get("type") != "TextVectorization" or layer.get("output_mode") == "int" or len(made.shape) != 3:
        return None
    # A dot, so that no layer of a spec has the name.
    return keras.layers.Reshape((made.shape[-1],), name=f"{layer['name']}.squeezed")
