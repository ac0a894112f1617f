"""Staff run their sites: states of a draft, closures, every version a site had."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("site", sa.Column("submitted_at", postgresql.TIMESTAMP(timezone=True), nullable=True))
    op.add_column("site", sa.Column("withdrawn_at", postgresql.TIMESTAMP(timezone=True), nullable=True))
    op.add_column(
        "site", sa.Column("staff_fields", postgresql.ARRAY(sa.Text()), server_default="{}", nullable=False)
    )
    op.create_index(
        "site_unpublished_idx", "site", ["id"], unique=False, postgresql_where="published_at is null"
    )
    op.create_index(
        "site_freshness_idx",
        "site",
        [sa.literal_column("coalesce(assured_at, to_timestamp(0))"), "id"],
        unique=False,
        postgresql_where="published_at is not null and status <> 'inactive'",
    )
    op.create_table(
        "site_closure",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column("starts_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("ends_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("for_good", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("ended_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("applied_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.CheckConstraint(
            "btrim(reason) <> '' and length(reason) <= 300", name=op.f("site_closure_reason_check")
        ),
        sa.CheckConstraint("starts_at < ends_at", name=op.f("site_closure_times_check")),
        sa.CheckConstraint(
            "not (for_good and ends_at is not null)", name=op.f("site_closure_for_good_check")
        ),
        sa.ForeignKeyConstraint(
            ["site_id"], ["site.id"], name=op.f("site_closure_site_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("site_closure_pkey")),
    )
    op.create_index("site_closure_site_id_idx", "site_closure", ["site_id", "starts_at"], unique=False)
    op.create_index(
        "site_closure_due_idx",
        "site_closure",
        ["starts_at"],
        unique=False,
        postgresql_where="for_good and ended_at is null and applied_at is null",
    )
    op.create_table(
        "site_revision",
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("act", sa.String(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("roles", sa.String(), nullable=True),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("snapshot", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.CheckConstraint("length(reason) <= 500", name=op.f("site_revision_reason_check")),
        sa.ForeignKeyConstraint(
            ["site_id"], ["site.id"], name=op.f("site_revision_site_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("site_id", "version", name=op.f("site_revision_pkey")),
    )
    # As the tables of 0002: a closure changes what the nearby index says of its site.
    for event, rows in (("insert", "new"), ("update", "new"), ("delete", "old")):
        op.execute(
            f"create trigger site_closure_changed_by_{event} after {event} on site_closure"
            f" referencing {rows} table as changed"
            " for each statement execute function mark_sites_changed('site_id')"
        )


def downgrade() -> None:
    op.drop_table("site_revision")
    op.drop_index(
        "site_closure_due_idx",
        table_name="site_closure",
        postgresql_where="for_good and ended_at is null and applied_at is null",
    )
    op.drop_index("site_closure_site_id_idx", table_name="site_closure")
    op.drop_table("site_closure")
    op.drop_index("site_freshness_idx", table_name="site")
    op.drop_index("site_unpublished_idx", table_name="site")
    op.drop_column("site", "staff_fields")
    op.drop_column("site", "withdrawn_at")
    op.drop_column("site", "submitted_at")
