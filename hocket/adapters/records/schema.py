"""The tables as they are now. A fresh store gets these; an older one gets there by `migrations`.

A test holds that both ways lead to the same schema, on every backend.
"""

from sqlalchemy import BigInteger, Boolean, Column, Integer, MetaData, PrimaryKeyConstraint, String, Table

from hocket.auth.jointokens import ID_BYTES
from hocket.auth.names import MAX_KEY_CHARS, MAX_NAME_CHARS

VERSION_TABLE = "hocket_schema"

metadata = MetaData()

# Names are compared by `name_key` alone: the database must not fold anything on top of it.
_exact = (
    String(MAX_KEY_CHARS)
    .with_variant(String(MAX_KEY_CHARS, collation="C"), "postgresql")
    .with_variant(String(MAX_KEY_CHARS, collation="utf8mb4_bin"), "mysql", "mariadb")
)

users = Table(
    "users",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(MAX_NAME_CHARS), nullable=False),
    Column("name_folded", _exact, nullable=False, unique=True),
    Column("password_hash", String(512), nullable=False),
    Column("rights", Integer, nullable=False),
    Column("disabled", Boolean, nullable=False),
    Column("created_unix_s", BigInteger, nullable=False),
    Column("generation", BigInteger, nullable=False, server_default="0"),  # grows with every new password
)

join_tokens = Table(
    "join_tokens",
    metadata,
    Column("id", String(2 * ID_BYTES), primary_key=True),  # hex
    Column("secret_hash", String(64), nullable=False),
    Column("uses", Integer, nullable=False),
    Column("used", Integer, nullable=False),
    Column("expires_unix_s", BigInteger, nullable=False),
)

joined_nodes = Table(
    "joined_nodes",
    metadata,
    Column("node_id", String(32), primary_key=True),
    Column("public_key", String(64), nullable=False),  # hex
    Column("token_id", String(2 * ID_BYTES), nullable=False),  # the token may be gone
    Column("joined_unix_s", BigInteger, nullable=False),
)

removed_nodes = Table(
    "removed_nodes",
    metadata,
    Column("node_id", String(32), primary_key=True),
    Column("removed_unix_s", BigInteger, nullable=False),
)

version = Table(
    VERSION_TABLE,
    MetaData(),  # Alembic's own, laid out as Alembic does
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name=f"{VERSION_TABLE}_pkc"),
)
