"""A number for each account that grows with every new password."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("users", sa.Column("generation", sa.BigInteger, nullable=False, server_default="0"))
    op.execute("UPDATE users SET generation = created_unix_s")
