"""The audit record is append-only and sealed in batches; what the application's own database role needs."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

NOTE_PENDING = """
create function note_audit_pending() returns trigger language plpgsql as $$
begin
    insert into audit_pending (entry_id) select id from added;
    return null;
end $$
"""

# Where the application is a role of its own it has no right to change the record. This guards the record where one role
# does everything, against mistakes: who owns a table can always do away with its triggers, and a check then finds it.
REFUSE = """
create function refuse_audit_change() returns trigger language plpgsql as $$
begin
    if tg_op = 'DELETE' and tg_table_name = 'audit_entry'
        and current_setting('xinban.audit_purge', true) = 'on' then
        return null;
    end if;
    raise exception 'the audit record is append-only' using errcode = 'insufficient_privilege';
end $$
"""

# An import tidies up after itself (geo/sites/store.py), which PostgreSQL lets only an index' owner do. This runs as such.
FLUSH = """
create function flush_site_search() returns bigint
language sql security definer set search_path from current as $$
    select gin_clean_pending_list('site_search_terms_idx')
$$
"""


def upgrade() -> None:
    op.execute(FLUSH)
    op.create_table(
        "audit_pending",
        sa.Column("entry_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("entry_id", name=op.f("audit_pending_pkey")),
    )
    op.create_table(
        "audit_seal",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("sealed_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("previous", sa.LargeBinary(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("key_id", sa.String(), nullable=False),
        sa.Column("mac", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint(
            "length(content) > 0 and length(content) % 48 = 0", name=op.f("audit_seal_content_check")
        ),
        sa.CheckConstraint("number >= 1", name=op.f("audit_seal_number_check")),
        sa.PrimaryKeyConstraint("number", name=op.f("audit_seal_pkey")),
    )
    op.execute("insert into audit_pending (entry_id) select id from audit_entry")
    op.execute(NOTE_PENDING)
    op.execute(REFUSE)
    op.execute(
        "create trigger audit_entry_pending after insert on audit_entry referencing new table as added"
        " for each statement execute function note_audit_pending()"
    )
    for table in ("audit_entry", "audit_seal"):
        op.execute(
            f"create trigger {table}_append_only before update or delete or truncate on {table}"
            " for each statement execute function refuse_audit_change()"
        )


def downgrade() -> None:
    op.execute("drop function flush_site_search")
    op.execute("drop function note_audit_pending, refuse_audit_change cascade")
    op.drop_table("audit_seal")
    op.drop_table("audit_pending")
