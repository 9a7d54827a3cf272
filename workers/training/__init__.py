"""What runs inside a trainer: build a model from a spec, feed it, fit it, save it. No database, no broker."""
