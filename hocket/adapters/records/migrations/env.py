"""What Alembic runs: the migrations, on the connection that it was given, in that one's transaction."""

from alembic import context

from hocket.adapters.records.schema import VERSION_TABLE, metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    render_as_batch=True,
)
context.run_migrations()
