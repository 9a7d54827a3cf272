"""Runs Alembic inside a transaction that the caller has opened, and commits."""

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection


def configuration(connection: Connection) -> Config:
    """Alembic's configuration: no file, our package, the caller's connection."""
    config = Config()
    config.set_main_option("script_location", "hornbeam.storage:migrations")
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def upgrade(connection: Connection) -> None:
    """Bring the tables to the newest revision."""
    command.upgrade(configuration(connection), "head")
