"""The history of the tables, applied by `hornbeam.storage.sql.open_store`.

A change of `hornbeam/storage/sql/tables.py` comes with a new module in `versions`, and its revision at the end of
`hornbeam.storage.sql.opening.REVISIONS`.
"""
