"""What people call a device, why a tag was taken back: encrypted; when a request was last sent a code."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

# What stood there in plain text goes: a migration has no keys to encrypt it with.
WORDS = (("account_session", "device"), ("person_tag", "revoke_reason"))


def upgrade() -> None:
    for table, column in WORDS:
        op.alter_column(table, column, type_=sa.LargeBinary(), postgresql_using="null::bytea")
    op.add_column(
        "person_request", sa.Column("code_asked_at", postgresql.TIMESTAMP(timezone=True), nullable=True)
    )


def downgrade() -> None:
    op.drop_column("person_request", "code_asked_at")
    for table, column in WORDS:
        op.alter_column(table, column, type_=sa.String(), postgresql_using="null::varchar")
