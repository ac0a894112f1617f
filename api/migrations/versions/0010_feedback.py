"""Corrections, complaints, ratings."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "complaint",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=True),
        sa.Column("site_id", sa.Uuid(), nullable=True),
        sa.Column("category", sa.String(), nullable=False),
        sa.Column("text", sa.LargeBinary(), nullable=True),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("state", sa.String(), server_default="open", nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("deadline_on", sa.Date(), nullable=False),
        sa.Column("deadline_basis", sa.String(), nullable=False),
        sa.Column("escalated_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("replied_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("reopened_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.CheckConstraint(
            "deadline_basis in ('workdays', 'calendar_days')", name=op.f("complaint_deadline_basis_check")
        ),
        sa.CheckConstraint(
            "state <> 'escalated' or escalated_at is not null", name=op.f("complaint_escalated_check")
        ),
        sa.CheckConstraint(
            "state <> 'replied' or replied_at is not null", name=op.f("complaint_replied_check")
        ),
        sa.CheckConstraint(
            "state in ('open', 'escalated', 'replied', 'withdrawn')", name=op.f("complaint_state_check")
        ),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("complaint_account_id_fkey")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("complaint_person_id_fkey")),
        sa.ForeignKeyConstraint(
            ["site_id"], ["site.id"], name=op.f("complaint_site_id_fkey"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("complaint_pkey")),
    )
    op.create_index("complaint_account_id_idx", "complaint", ["account_id", "id"], unique=False)
    op.create_index(
        "complaint_person_id_idx",
        "complaint",
        ["person_id"],
        unique=False,
        postgresql_where="person_id is not null",
    )
    op.create_index("complaint_site_id_idx", "complaint", ["site_id"], unique=False)
    op.create_index("complaint_state_idx", "complaint", ["state", "deadline_on", "id"], unique=False)
    op.create_index(
        "complaint_unanswered_idx",
        "complaint",
        ["deadline_on", "id"],
        unique=False,
        postgresql_where="state in ('open', 'escalated')",
    )
    op.create_table(
        "correction",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=True),
        sa.Column("reporter_blind", sa.LargeBinary(), nullable=False),
        sa.Column("receipt_digest", sa.LargeBinary(), nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("field", sa.String(), nullable=False),
        sa.Column("text", sa.LargeBinary(), nullable=True),
        sa.Column("suggestion", sa.LargeBinary(), nullable=True),
        sa.Column("contact_phone", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("state", sa.String(), server_default="open", nullable=False),
        sa.Column("answer", sa.LargeBinary(), nullable=True),
        sa.Column("handled_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("handled_by", sa.Uuid(), nullable=True),
        sa.Column("site_version", sa.Integer(), nullable=True),
        sa.CheckConstraint("(state = 'open') = (handled_at is null)", name=op.f("correction_handled_check")),
        sa.CheckConstraint("state in ('open', 'accepted', 'declined')", name=op.f("correction_state_check")),
        sa.ForeignKeyConstraint(
            ["site_id"], ["site.id"], name=op.f("correction_site_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("correction_pkey")),
    )
    op.create_index(
        "correction_account_id_idx",
        "correction",
        ["account_id", "id"],
        unique=False,
        postgresql_where="account_id is not null",
    )
    op.create_index("correction_site_id_idx", "correction", ["site_id", "reporter_blind"], unique=False)
    op.create_index("correction_state_idx", "correction", ["state", "id"], unique=False)
    op.create_table(
        "rating_sheet",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column("reference", sa.String(), nullable=False),
        sa.Column("rated_on", sa.Date(), nullable=False),
        sa.Column("entered_by", sa.Uuid(), nullable=True),
        sa.Column("entered_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint(
            "btrim(reference) <> '' and length(reference) <= 60", name=op.f("rating_sheet_reference_check")
        ),
        sa.ForeignKeyConstraint(["entered_by"], ["account.id"], name=op.f("rating_sheet_entered_by_fkey")),
        sa.ForeignKeyConstraint(
            ["site_id"], ["site.id"], name=op.f("rating_sheet_site_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("rating_sheet_pkey")),
    )
    op.create_index(
        "rating_sheet_site_id_reference_key", "rating_sheet", ["site_id", "reference"], unique=True
    )
    op.create_table(
        "complaint_entry",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("complaint_id", sa.Uuid(), nullable=False),
        sa.Column("at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("step", sa.String(), nullable=False),
        sa.Column("taken_by", sa.String(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=True),
        sa.Column("text", sa.LargeBinary(), nullable=True),
        sa.CheckConstraint(
            "step in ('filed', 'reply', 'reopen', 'escalate', 'withdraw')",
            name=op.f("complaint_entry_step_check"),
        ),
        sa.CheckConstraint(
            "taken_by in ('resident', 'staff', 'system')", name=op.f("complaint_entry_taken_by_check")
        ),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("complaint_entry_account_id_fkey")),
        sa.ForeignKeyConstraint(
            ["complaint_id"],
            ["complaint.id"],
            name=op.f("complaint_entry_complaint_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("complaint_entry_pkey")),
    )
    op.create_index(
        "complaint_entry_complaint_id_idx", "complaint_entry", ["complaint_id", "id"], unique=False
    )
    op.create_table(
        "rating",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column("service", sa.String(), nullable=True),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("count", sa.Integer(), server_default="1", nullable=False),
        sa.Column("tags", postgresql.ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.Column("text", sa.LargeBinary(), nullable=True),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("rated_on", sa.Date(), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=True),
        sa.Column("person_id", sa.Uuid(), nullable=True),
        sa.Column("sheet_id", sa.Uuid(), nullable=True),
        sa.Column("entered_by", sa.Uuid(), nullable=True),
        sa.CheckConstraint(
            "channel in ('web', 'app', 'kiosk', 'phone', 'counter', 'paper')",
            name=op.f("rating_channel_check"),
        ),
        sa.CheckConstraint("account_id is null or sheet_id is null", name=op.f("rating_origin_check")),
        sa.CheckConstraint(
            "cardinality(tags) <= 10 and array_position(tags, null) is null", name=op.f("rating_tags_check")
        ),
        sa.CheckConstraint(
            "count >= 1 and (count = 1 or sheet_id is not null)", name=op.f("rating_count_check")
        ),
        sa.CheckConstraint("level between 1 and 5", name=op.f("rating_level_check")),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("rating_account_id_fkey")),
        sa.ForeignKeyConstraint(["entered_by"], ["account.id"], name=op.f("rating_entered_by_fkey")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("rating_person_id_fkey")),
        sa.ForeignKeyConstraint(
            ["sheet_id"], ["rating_sheet.id"], name=op.f("rating_sheet_id_fkey"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["site_id"], ["site.id"], name=op.f("rating_site_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("rating_pkey")),
    )
    op.create_index(
        "rating_account_id_idx",
        "rating",
        ["account_id", "id"],
        unique=False,
        postgresql_where="account_id is not null",
    )
    op.create_index(
        "rating_account_id_site_id_rated_on_key",
        "rating",
        ["account_id", "site_id", "rated_on"],
        unique=True,
        postgresql_where="account_id is not null",
    )
    op.create_index(
        "rating_person_id_idx",
        "rating",
        ["person_id"],
        unique=False,
        postgresql_where="person_id is not null",
    )
    op.create_index(
        "rating_sheet_id_idx", "rating", ["sheet_id"], unique=False, postgresql_where="sheet_id is not null"
    )
    op.create_index(
        "rating_site_id_idx",
        "rating",
        ["site_id", "service", "level"],
        unique=False,
        postgresql_include=["count"],
    )
    op.create_index(
        "rating_text_idx",
        "rating",
        ["site_id", "id"],
        unique=False,
        postgresql_where="text is not null",
    )


def downgrade() -> None:
    for table in ("rating", "complaint_entry", "rating_sheet", "correction", "complaint"):
        op.drop_table(table)
