"""The record store: accounts, kept in SQLite beside the prime or in any database that SQLAlchemy speaks.

`Records` runs SQLAlchemy in one thread of its own. Importing this package is cheap; the database
libraries are loaded by `Records.open`, in that thread.
"""

from hocket.adapters.records.errors import RecordsBroken, RecordsTooNew, RecordsUnreachable, UserExists, UserMissing
from hocket.adapters.records.facade import Records

__all__ = ["Records", "RecordsBroken", "RecordsTooNew", "RecordsUnreachable", "UserExists", "UserMissing"]
