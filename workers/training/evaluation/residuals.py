"""How far predicted numbers are from true ones.

Pure functions of NumPy arrays. A residual is the true number minus the predicted one.
"""

import numpy as np
from numpy.typing import NDArray

from workers.training.columns import Array

QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)


def statistics(true: Array, predicted: Array) -> dict[str, float]:
    """The numbers about residuals; NaN where they say nothing, as R2 does of numbers that are all the same.

    Args:
        true: Finite, (numbers,).
        predicted: Likewise.
    """
    if not len(true):
        return dict.fromkeys(("mean", "std", "median", "mae", "rmse", "r2"), float("nan"))
    residuals = true.astype(np.float64) - predicted
    squares = float(np.mean(residuals**2))
    spread = float(np.var(true, dtype=np.float64))
    return {
        "mean": float(residuals.mean()),
        "std": float(residuals.std()),
        "median": float(np.median(residuals)),
        "mae": float(np.abs(residuals).mean()),
        "rmse": squares**0.5,
        "r2": 1 - squares / spread if spread else float("nan"),
    }


def quantiles(true: Array, predicted: Array) -> dict[str, float]:
    """The residuals at some quantiles, by their names: `0.05`."""
    if not len(true):
        return {f"{share:g}": float("nan") for share in QUANTILES}
    found = np.quantile(true.astype(np.float64) - predicted, QUANTILES)
    return {f"{share:g}": float(value) for share, value in zip(QUANTILES, found, strict=True)}


def worst(errors: Array, most: int) -> NDArray[np.int64]:
    """The places of the largest errors, the largest first."""
    return np.argsort(-errors, kind="stable")[:most]
