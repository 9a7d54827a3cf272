"""Loads models that Hornbeam trained, with whatever they hold of its own components.

    from hornbeam.saved import load_model

    model = load_model("model.keras")

It needs Keras: `pip install hornbeam[worker]`. A model of Keras's layers alone loads with plain Keras, too.
"""

from pathlib import Path
from typing import Any

import keras

from hornbeam.components.shipped import import_shipped


def load_model(path: str | Path) -> Any:
    """The `keras.Model` in a `.keras` file: a job's model, or one of its checkpoints.

    Components of an operator's have to be imported before. Raises what `keras.saving.load_model` does: ValueError where
    there is no such file, TypeError where it holds a class that nobody has registered.
    """
    import_shipped()
    return keras.saving.load_model(path)
