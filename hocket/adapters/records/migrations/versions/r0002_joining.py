"""Join tokens, the machines that joined by them, and those that were removed."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "join_tokens",
        sa.Column("id", sa.String(16), primary_key=True),
        sa.Column("secret_hash", sa.String(64), nullable=False),
        sa.Column("uses", sa.Integer, nullable=False),
        sa.Column("used", sa.Integer, nullable=False),
        sa.Column("expires_unix_s", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "joined_nodes",
        sa.Column("node_id", sa.String(32), primary_key=True),
        sa.Column("public_key", sa.String(64), nullable=False),
        sa.Column("token_id", sa.String(16), nullable=False),
        sa.Column("joined_unix_s", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "removed_nodes",
        sa.Column("node_id", sa.String(32), primary_key=True),
        sa.Column("removed_unix_s", sa.BigInteger, nullable=False),
    )
