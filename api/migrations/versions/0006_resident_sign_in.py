"""One-time codes, external identities, messages to deliver; what makes a family of refresh tokens known."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("account_session", sa.Column("family_digest", sa.LargeBinary(), nullable=True))
    op.create_table(
        "external_identity",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("provider", sa.String(), nullable=False),
        sa.Column("subject", sa.LargeBinary(), nullable=False),
        sa.Column("subject_blind", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("used_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("external_identity_account_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("external_identity_pkey")),
    )
    op.create_index("external_identity_account_id_idx", "external_identity", ["account_id"], unique=False)
    op.create_index(
        "external_identity_subject_blind_key", "external_identity", ["subject_blind"], unique=True
    )
    op.create_table(
        "message",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("template", sa.String(), nullable=False),
        sa.Column("recipient", sa.LargeBinary(), nullable=False),
        sa.Column("parameters", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.String(), server_default="waiting", nullable=False),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("failure", sa.String(), nullable=True),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("next_try_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("expires_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("finished_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.CheckConstraint("channel in ('sms')", name=op.f("message_channel_check")),
        sa.CheckConstraint(
            "(state = 'waiting') = (finished_at is null)", name=op.f("message_finished_check")
        ),
        sa.CheckConstraint("state in ('waiting', 'sent', 'dead')", name=op.f("message_state_check")),
        sa.CheckConstraint("tries >= 0", name=op.f("message_tries_check")),
        sa.PrimaryKeyConstraint("id", name=op.f("message_pkey")),
    )
    op.create_index(
        "message_next_try_at_idx",
        "message",
        ["next_try_at"],
        unique=False,
        postgresql_where="state = 'waiting'",
    )
    op.create_index(
        "message_finished_at_idx",
        "message",
        ["finished_at"],
        unique=False,
        postgresql_where="state <> 'waiting'",
    )
    op.create_table(
        "one_time_code",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("phone_blind", sa.LargeBinary(), nullable=False),
        sa.Column("purpose", sa.String(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=True),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("expires_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("used_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("voided_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.CheckConstraint("purpose in ('sign_in', 'delegation')", name=op.f("one_time_code_purpose_check")),
        sa.CheckConstraint(
            "(purpose = 'sign_in') = (subject_id is null)", name=op.f("one_time_code_subject_check")
        ),
        sa.CheckConstraint("tries >= 0", name=op.f("one_time_code_tries_check")),
        sa.PrimaryKeyConstraint("id", name=op.f("one_time_code_pkey")),
    )
    op.create_index("one_time_code_created_at_idx", "one_time_code", ["created_at"], unique=False)
    op.create_index(
        "one_time_code_phone_blind_idx", "one_time_code", ["phone_blind", "created_at"], unique=False
    )


def downgrade() -> None:
    op.drop_table("one_time_code")
    op.drop_table("message")
    op.drop_table("external_identity")
    op.drop_column("account_session", "family_digest")
