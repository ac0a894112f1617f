"""Answers kept under an Idempotency-Key."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "kept_answer",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("key_blind", sa.LargeBinary(), nullable=False),
        sa.Column("request_blind", sa.LargeBinary(), nullable=False),
        sa.Column("route", sa.String(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("answer", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("expires_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("kept_answer_pkey")),
    )
    op.create_index("kept_answer_key_blind_key", "kept_answer", ["key_blind"], unique=True)
    op.create_index("kept_answer_expires_at_idx", "kept_answer", ["expires_at"], unique=False)


def downgrade() -> None:
    op.drop_index("kept_answer_expires_at_idx", table_name="kept_answer")
    op.drop_index("kept_answer_key_blind_key", table_name="kept_answer")
    op.drop_table("kept_answer")
