"""A job and its life, with no I/O."""
