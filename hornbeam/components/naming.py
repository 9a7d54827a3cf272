"""Names as Keras makes them."""

import re
from functools import lru_cache


@lru_cache(maxsize=1024)
def snake_case(name: str) -> str:
    """The name that Keras gives an object of a class: `KLDivergence` is `kl_divergence`, `Conv2D` is `conv2d`."""
    spaced = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", name))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", spaced).lower()
