"""Losses, layers, optimizers …: the catalogue of what a spec may name, and Hornbeam's own components."""
