"""Hornbeam trains Keras models over HTTP. This package is what the API, the workers and users share."""

__version__ = "0.1.0"
