"""Which of Keras's layers can't train on which backend, so that who names one is told before anything is built.

Keras itself would stop in the first step, with an error of the backend's or with one of its own making that names
neither. Plain data; a test tries all components on both backends, and sees that these and no others fail. Leaves
telling it to `workers.training.build`.
"""

from collections.abc import Mapping

_VALUES = "it goes by the values of its input, and a step that is compiled for JAX has none yet"
_WORDS = "JAX has no strings"

UNUSABLE: Mapping[str, Mapping[str, str]] = {
    "jax": {
        "HashedCrossing": _VALUES,
        "Hashing": _VALUES,
        "IntegerLookup": _VALUES,
        "RandomCrop": "there Keras does not crop in training",
        "RandomElasticTransform": _VALUES,
        "StringLookup": _WORDS,
        "TextVectorization": _WORDS,
    }
}
"""Reasons by backend and layer."""
