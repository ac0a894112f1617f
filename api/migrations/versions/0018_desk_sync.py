"""What devices of the desk sent in after they had no network."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0018"
down_revision = "0015"
branch_labels = None
depends_on = None

INSTANT = postgresql.TIMESTAMP(timezone=True)


def upgrade() -> None:
    op.create_table(
        "desk_sync_item",
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column("device_id", sa.String(), nullable=False),
        sa.Column("item_id", sa.Uuid(), nullable=False),
        sa.Column("roster_id", sa.Uuid(), nullable=True),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("received_at", INSTANT, nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("result", sa.String(), nullable=True),
        sa.Column("reservation_id", sa.Uuid(), nullable=True),
        sa.Column("conflict", postgresql.JSONB(), nullable=True),
        sa.CheckConstraint(
            "kind in ('check_in', 'walk_in', 'no_show', 'undo')", name=op.f("desk_sync_item_kind_check")
        ),
        sa.CheckConstraint(
            "result in ('done', 'already', 'conflict')", name=op.f("desk_sync_item_result_check")
        ),
        sa.CheckConstraint(
            "(result = 'conflict') = (conflict is not null)", name=op.f("desk_sync_item_conflict_check")
        ),
        sa.ForeignKeyConstraint(
            ["reservation_id"],
            ["reservation.id"],
            name=op.f("desk_sync_item_reservation_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["site_id"], ["site.id"], name=op.f("desk_sync_item_site_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("site_id", "device_id", "item_id", name=op.f("desk_sync_item_pkey")),
    )
    op.create_index("desk_sync_item_reservation_id_idx", "desk_sync_item", ["reservation_id"], unique=False)
    op.create_index("desk_sync_item_received_at_idx", "desk_sync_item", ["received_at"], unique=False)


def downgrade() -> None:
    op.drop_index("desk_sync_item_received_at_idx", table_name="desk_sync_item")
    op.drop_index("desk_sync_item_reservation_id_idx", table_name="desk_sync_item")
    op.drop_table("desk_sync_item")
