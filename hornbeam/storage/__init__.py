"""The record (SQL) and the files (artifacts)."""
