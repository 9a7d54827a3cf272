"""What can't do everything, and why. Tests see that each thing in these tables still is so.

Why layers fail on a backend is in `workers.training.backends`, which tells clients.
"""

from collections.abc import Mapping
from dataclasses import dataclass

BACKENDS = ("tensorflow", "jax")


@dataclass(frozen=True)
class Limit:
    """A component that fails."""

    says: str
    """A pattern of the traceback."""
    backends: tuple[str, ...] = ("jax",)


_CODES = "It makes whole numbers, or looks them up."
_COUNTS = "It counts the brightness of pixels in whole numbers."
_COLOURS = "TensorFlow does not differentiate the conversion of colours."

NO_GRADIENT: Mapping[str, str] = {
    "CategoryEncoding": _CODES,
    "ContrastLimitedAdaptiveHistogramEqualization": _COUNTS,
    "Discretization": _CODES,
    "HashedCrossing": _CODES,
    "Hashing": _CODES,
    "IntegerLookup": _CODES,
    "RandomHue": _COLOURS,
    "RandomPosterization": "It keeps some of the bits of each number.",
    "RandomSaturation": _COLOURS,
    "StringLookup": _CODES,
    "TextVectorization": _CODES,
}
"""Layers through which nothing before them can learn."""

_NO_VALUES = "_error_repr"
"""Keras stumbles over JAX's own error while it words it."""
_WORDS = Limit("not a valid JAX array type")

FAILS: Mapping[str, Limit] = {
    "layer:HashedCrossing": Limit(_NO_VALUES),
    "layer:Hashing": Limit(_NO_VALUES),
    "layer:IntegerLookup": Limit(_NO_VALUES),
    "layer:RandomCrop": Limit(r"\(4, 4, 4, 3\), \(4, 8, 8, 3\)"),
    "layer:RandomElasticTransform": Limit(_NO_VALUES),
    "layer:StringLookup": _WORDS,
    "layer:TextVectorization": _WORDS,
}
"""By component. Whatever is not here works on both backends."""
