"""What Alembic runs: the migrations, on the connection and in the transaction that it was handed."""

from alembic import context

from hornbeam.storage.sql.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,  # SQLite can, once somebody else begins the transaction
)
context.run_migrations()
