"""What may exceed the limits, by name and number. A number is a ceiling; an entry that nothing needs fails a test."""

LONG_FILES: dict[str, int] = {}
"""Lines."""

LONG_FUNCTIONS: dict[str, int] = {}
"""Lines without the docstring."""

MANY_PARAMETERS: dict[str, int] = {
    # FastAPI: each is a parameter of the query or a header.
    "service/routes/events.py::list_events": 7,
    "service/routes/jobs.py::list_jobs": 7,
    "service/routes/datasets.py::create_dataset": 7,
    "service/routes/datasets.py::put_dataset": 7,
    # typer: each is an option.
    "hornbeam/cli/datasets.py::add": 8,
}

FUNCTION_LEVEL_IMPORTS: dict[str, frozenset[str]] = {
    # An extra, and slow to import.
    "hornbeam/storage/files.py": frozenset({"botocore.exceptions"}),
    # Alembic takes half a second, and most openings have nothing to migrate.
    "hornbeam/storage/sql/opening.py": frozenset({"hornbeam.storage.migrations.upgrade"}),
    # Each command loads what it needs: `hornbeam list` must not wait for the embedded stack's imports.
    "hornbeam/cli/demo.py": frozenset({"hornbeam.cli.demonstration"}),
    "hornbeam/cli/session.py": frozenset({"hornbeam.client"}),
    "hornbeam/cli/up.py": frozenset({"hornbeam.cli.serving", "hornbeam.embedded.stack"}),
    # Imported without looking for garbage: a sixth of the API's start.
    "service/main.py": frozenset({"service.app", "service.parts"}),
    # httpx takes a twentieth of the API's start, and few installations list hosts.
    "service/sources/fetching.py": frozenset({"service.sources.web"}),
    # Arrow starts threads, and a zygote, which imports the modules of the trainer, has none.
    "workers/training/data.py": frozenset({"workers.training.arrow_tables"}),
    "workers/training/feeds.py": frozenset({"workers.training.tensorflow_feeds"}),
    "workers/training/preprocessing.py": frozenset({"workers.training.row_pipelines"}),
    "workers/training/tensorflow_feeds.py": frozenset({"workers.training.row_pipelines"}),
}
"""What a module imports inside functions, beside what trains: see `test_imports`."""
