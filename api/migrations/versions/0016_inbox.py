"""Telling people: inboxes, text messages about events, tasks to visit somebody, calendar feeds."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0016"
down_revision = "0018"
branch_labels = None
depends_on = None

INSTANT = postgresql.TIMESTAMP(timezone=True)


def upgrade() -> None:
    op.create_table(
        "inbox",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("last_number", sa.Integer(), server_default="0", nullable=False),
        sa.Column("read_to", sa.Integer(), server_default="0", nullable=False),
        sa.Column("sms", sa.String(), server_default="important", nullable=False),
        sa.CheckConstraint("sms in ('all', 'important', 'none')", name=op.f("inbox_sms_check")),
        sa.CheckConstraint("read_to between 0 and last_number", name=op.f("inbox_read_to_check")),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("inbox_account_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("account_id", name=op.f("inbox_pkey")),
    )
    op.create_table(
        "inbox_event",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("message_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("inbox_event_account_id_fkey"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["person.id"], name=op.f("inbox_event_person_id_fkey"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("inbox_event_pkey")),
    )
    op.create_index("inbox_event_account_id_number_key", "inbox_event", ["account_id", "number"], unique=True)
    op.create_index(
        "inbox_event_event_id_account_id_key", "inbox_event", ["event_id", "account_id"], unique=True
    )
    op.create_index(
        "inbox_event_person_id_idx",
        "inbox_event",
        ["person_id"],
        unique=False,
        postgresql_where="person_id is not null",
    )
    op.create_index("inbox_event_created_at_idx", "inbox_event", ["created_at"], unique=False)
    op.create_table(
        "event_message",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=True),
        sa.Column("person_id", sa.Uuid(), nullable=True),
        sa.Column("state", sa.String(), server_default="waiting", nullable=False),
        sa.Column("important", sa.Boolean(), nullable=False),
        sa.Column("settled", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.CheckConstraint("state in ('waiting', 'sent', 'dead')", name=op.f("event_message_state_check")),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("event_message_account_id_fkey"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["person.id"], name=op.f("event_message_person_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("event_message_pkey")),
    )
    op.create_index(
        "event_message_unsettled_idx",
        "event_message",
        ["id"],
        unique=False,
        postgresql_where="state = 'dead' and not settled",
    )
    for column in ("account_id", "person_id"):
        op.create_index(
            f"event_message_{column}_idx",
            "event_message",
            [column],
            unique=False,
            postgresql_where=f"{column} is not null",
        )
    op.create_index("event_message_created_at_idx", "event_message", ["created_at"], unique=False)
    op.create_table(
        "outreach_task",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("site_id", sa.Uuid(), nullable=True),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("due_at", INSTANT, nullable=False),
        sa.Column("state", sa.String(), server_default="open", nullable=False),
        sa.Column("note", sa.LargeBinary(), nullable=True),
        sa.Column("done_by", sa.Uuid(), nullable=True),
        sa.Column("done_at", INSTANT, nullable=True),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.CheckConstraint("reason in ('no_way', 'undelivered')", name=op.f("outreach_task_reason_check")),
        sa.CheckConstraint("state in ('open', 'done')", name=op.f("outreach_task_state_check")),
        sa.CheckConstraint(
            "(state = 'done') = (done_at is not null) and (state = 'done' or note is null)",
            name=op.f("outreach_task_done_check"),
        ),
        sa.ForeignKeyConstraint(["done_by"], ["account.id"], name=op.f("outreach_task_done_by_fkey")),
        sa.ForeignKeyConstraint(
            ["person_id"], ["person.id"], name=op.f("outreach_task_person_id_fkey"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["site_id"], ["site.id"], name=op.f("outreach_task_site_id_fkey"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("outreach_task_pkey")),
    )
    op.create_index(
        "outreach_task_event_id_person_id_key", "outreach_task", ["event_id", "person_id"], unique=True
    )
    op.create_index(
        "outreach_task_state_due_at_idx", "outreach_task", ["state", "due_at", "id"], unique=False
    )
    op.create_index("outreach_task_person_id_idx", "outreach_task", ["person_id"], unique=False)
    op.create_table(
        "calendar_feed",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("calendar_feed_account_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("account_id", name=op.f("calendar_feed_pkey")),
    )
    op.create_index("calendar_feed_digest_key", "calendar_feed", ["digest"], unique=True)


def downgrade() -> None:
    for table in ("calendar_feed", "outreach_task", "event_message", "inbox_event", "inbox"):
        op.drop_table(table)
