"""From the bytes that a client sent to a normalised spec, or to everything that is wrong with it."""
