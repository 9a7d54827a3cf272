"""Reads the files that clients bring into Arrow tables, in a process of its own: `python -m hornbeam.ingest`.

Nothing here is imported by the API process, which only starts the process and speaks `hornbeam.ingest.protocol` to it.
"""
