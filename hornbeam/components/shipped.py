"""The components that Hornbeam ships beside Keras's own: importing these modules registers them."""

import importlib

MODULES = tuple(
    f"hornbeam.components.{name}"
    for name in (
        "activations",
        "callbacks",
        "formulas",
        "imputation",
        "layers",
        "losses",
        "metrics",
        "optimizer_wrappers",
        "optimizers",
        "regression_losses",
        "schedules",
        "transformer",
    )
)


def import_shipped() -> None:
    """Register every shipped component. Runs no operation of Keras."""
    for module in MODULES:
        importlib.import_module(module)
