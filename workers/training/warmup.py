"""What a zygote does once so that no trainer has to: imports, and the caches of libraries that are slow at first.

The service's own datasets are read, too. Nothing here touches the backend, which must not have run when a process
forks: scikit-learn splits some numbers with NumPy, and Matplotlib draws pictures in memory.
"""

import io

import numpy as np
from sklearn.model_selection import train_test_split

from hornbeam.components.catalog import load_catalogue
from schemas.datasets import BuiltinDataset
from workers.training import curves, proof, run
from workers.training.evaluation import pictures
from workers.training.skipped_attributes import remember_skipped_attributes
from workers.training.tables import read_builtin


def warm_up() -> None:
    """Fill the caches. Call it in the parent, before the first fork."""
    _ = run, proof
    load_catalogue()
    remember_skipped_attributes()
    for name in BuiltinDataset:
        read_builtin(name)
    classes = np.arange(20) % 2
    train_test_split(classes, test_size=0.2, random_state=0, stratify=classes)
    curves.draw([{"loss": 1.0, "val_loss": 1.0, "accuracy": 0.5}], io.BytesIO(), title="0123456789", best=0)
    pictures.draw_counts(np.eye(10), ("0123456789", "0123456789"), io.BytesIO(), title="0123456789")
