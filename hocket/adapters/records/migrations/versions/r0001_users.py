"""Accounts."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    exact = (
        sa.String(256)
        .with_variant(sa.String(256, collation="C"), "postgresql")
        .with_variant(sa.String(256, collation="utf8mb4_bin"), "mysql", "mariadb")
    )
    op.create_table(
        "users",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("name_folded", exact, nullable=False, unique=True),
        sa.Column("password_hash", sa.String(512), nullable=False),
        sa.Column("rights", sa.Integer, nullable=False),
        sa.Column("disabled", sa.Boolean, nullable=False),
        sa.Column("created_unix_s", sa.BigInteger, nullable=False),
    )
