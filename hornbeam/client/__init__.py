"""The Python client: HTTP only."""
