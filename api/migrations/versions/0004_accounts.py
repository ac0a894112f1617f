"""Accounts, their sessions, and the audit record."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "account",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("state", sa.String(), server_default="active", nullable=False),
        sa.Column("assurance", sa.String(), server_default="none", nullable=False),
        sa.Column("phone", sa.LargeBinary(), nullable=True),
        sa.Column("phone_blind", sa.LargeBinary(), nullable=True),
        sa.Column("language", sa.String(), server_default="zh-CN", nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("erased_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.CheckConstraint(
            "assurance in ('none', 'phone', 'real_name')", name=op.f("account_assurance_check")
        ),
        sa.CheckConstraint("kind in ('resident', 'staff')", name=op.f("account_kind_check")),
        sa.CheckConstraint("state <> 'erased' or phone is null", name=op.f("account_erased_check")),
        sa.CheckConstraint("state in ('active', 'locked', 'erased')", name=op.f("account_state_check")),
        sa.CheckConstraint("(phone is null) = (phone_blind is null)", name=op.f("account_phone_check")),
        sa.CheckConstraint("version >= 1", name=op.f("account_version_check")),
        sa.PrimaryKeyConstraint("id", name=op.f("account_pkey")),
    )
    op.create_index(
        "account_phone_blind_key",
        "account",
        ["phone_blind"],
        unique=True,
        postgresql_where="phone_blind is not null",
    )
    op.create_table(
        "audit_entry",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=True),
        sa.Column("roles", sa.String(), nullable=True),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("object_kind", sa.String(), nullable=False),
        sa.Column("object_id", sa.String(), nullable=True),
        sa.Column("person_id", sa.Uuid(), nullable=True),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("request_id", sa.String(), nullable=True),
        sa.Column("detail", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.CheckConstraint("length(reason) <= 500", name=op.f("audit_entry_reason_check")),
        sa.PrimaryKeyConstraint("id", name=op.f("audit_entry_pkey")),
    )
    op.create_index(
        "audit_entry_account_id_idx",
        "audit_entry",
        ["account_id", "at"],
        unique=False,
        postgresql_where="account_id is not null",
    )
    op.create_index("audit_entry_at_idx", "audit_entry", ["at", "id"], unique=False)
    op.create_index("audit_entry_object_idx", "audit_entry", ["object_kind", "object_id", "at"], unique=False)
    op.create_index(
        "audit_entry_person_id_idx",
        "audit_entry",
        ["person_id", "at"],
        unique=False,
        postgresql_where="person_id is not null",
    )
    op.create_table(
        "account_session",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("device", sa.String(), nullable=True),
        sa.Column("refresh_digest", sa.LargeBinary(), nullable=False),
        sa.Column("generation", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("seen_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("expires_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("ended_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("end_reason", sa.String(), nullable=True),
        sa.Column("refused_before", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("changed_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.CheckConstraint(
            "end_reason in ('signed_out', 'ended', 'refresh_reused', 'expired', 'erased', 'locked')",
            name=op.f("account_session_end_reason_check"),
        ),
        sa.CheckConstraint(
            "(ended_at is null) = (end_reason is null)", name=op.f("account_session_ended_check")
        ),
        sa.CheckConstraint("generation >= 1", name=op.f("account_session_generation_check")),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("account_session_account_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("account_session_pkey")),
    )
    op.create_index(
        "account_session_account_id_idx", "account_session", ["account_id", "created_at"], unique=False
    )
    op.create_index("account_session_changed_at_idx", "account_session", ["changed_at"], unique=False)


def downgrade() -> None:
    op.drop_index("account_session_changed_at_idx", table_name="account_session")
    op.drop_index("account_session_account_id_idx", table_name="account_session")
    op.drop_table("account_session")
    op.drop_index(
        "audit_entry_person_id_idx", table_name="audit_entry", postgresql_where="person_id is not null"
    )
    op.drop_index("audit_entry_object_idx", table_name="audit_entry")
    op.drop_index("audit_entry_at_idx", table_name="audit_entry")
    op.drop_index(
        "audit_entry_account_id_idx", table_name="audit_entry", postgresql_where="account_id is not null"
    )
    op.drop_table("audit_entry")
    op.drop_index("account_phone_blind_key", table_name="account", postgresql_where="phone_blind is not null")
    op.drop_table("account")
