"""What the zygote imports before it forks, and the two things that a fork may do. Running it must run no operation.

Importing this module is the warm-up: Keras, its backend, and whatever else a training would import, so that no
trainer pays for it; then `load_components` is called, once. A zygote takes any module with these three names: `run`,
`prove` and `load_components`; tests give it cheap ones.
"""

import importlib
import importlib.util
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import keras
import matplotlib.font_manager  # noqa: F401 - reads, or the first time makes, the cache of fonts
import PIL.Image  # noqa: F401

from hornbeam.components.loading import deployments, load
from workers.component_trial import try_in_child
from workers.messages import TrainerRequest
from workers.protocol import Holdings
from workers.training.beside import beside
from workers.training.proof import prove  # noqa: F401 - the zygote finds it by name
from workers.training.reporting import Send, StopFlag
from workers.training.run import run as train
from workers.training.warmup import warm_up

if keras.config.backend() == "tensorflow":
    importlib.import_module("workers.training.tensorflow_feeds")
elif importlib.util.find_spec("tensorflow") is not None:
    # `fit` on JAX imports it for its data pipeline: 8 s of each job otherwise.
    importlib.import_module("tensorflow")

warm_up()


def run(request: TrainerRequest, send: Send, stop: StopFlag) -> None:
    """Train a job. Call it before anything has touched the backend."""
    with closing(beside()) as helper:
        train(request, send, stop, helper)


def load_components(files: Sequence[Path]) -> Holdings:
    """Import the operators' components, those of installed packages and those in `files`."""
    found = load(deployments(files), try_in_child)
    return Holdings(catalog_digest=found.catalogue.digest, entries=found.entries, broken=found.broken)
