"""Loads a downloaded model with Keras and measures it, in a process of its own: this one imports Keras.

Run as `python -m hornbeam.cli.evaluation MODEL MANIFEST`; prints the accuracy on the rows of the digits that the
training held back. The manifest says which: the split is a function of the spec.
"""

import json
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split


def held_back(spec: dict[str, Any]) -> tuple[Any, Any]:
    """The digits that the training did not see, with their labels."""
    digits = load_digits()
    validation = spec["dataset"]["validation"]
    seed = validation["seed"] if validation["seed"] is not None else spec["training"]["seed"]
    _, images, _, labels = train_test_split(
        digits.data.astype(np.float32),
        digits.target,
        test_size=validation["fraction"],
        random_state=seed,
        stratify=digits.target if validation["stratify"] else None,
    )
    return images, labels


def main(model_path: str, manifest_path: str) -> None:
    """Print `{"accuracy": …, "rows": …}`."""
    model = keras.models.load_model(model_path)
    images, labels = held_back(json.loads(Path(manifest_path).read_text("utf-8"))["spec"])
    predicted = np.argmax(model.predict(images, verbose=0), axis=1)
    sys.stdout.write(json.dumps({"accuracy": float(np.mean(predicted == labels)), "rows": len(labels)}) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
