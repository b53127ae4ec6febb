"""Alembic's scripts for the record store; run by `hocket.adapters.records.migrate`."""
