"""Conformance suites: what every store, queue and component must pass. Shipped, so that outsiders can run them."""
