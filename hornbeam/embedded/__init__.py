"""The whole service on one machine, with nothing to install: what `hornbeam up` and `hornbeam demo` run.

`stack` is the door; `directory` locks the data directory, `child` and `supervisor` keep processes alive, `api` is
the API's process.
"""
