"""A rating names the visit it is about; each visit is rated once, and no longer each site once a day."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("rating", sa.Column("reservation_id", sa.Uuid(), nullable=True))
    op.create_foreign_key(
        op.f("rating_reservation_id_fkey"),
        "rating",
        "reservation",
        ["reservation_id"],
        ["id"],
        ondelete="SET NULL",
    )
    op.create_index(
        "rating_reservation_id_key",
        "rating",
        ["reservation_id"],
        unique=True,
        postgresql_where="reservation_id is not null",
    )
    op.drop_index("rating_account_id_site_id_rated_on_key", table_name="rating")


def downgrade() -> None:
    # Whoever rated two visits to a site on one day keeps the first of them as theirs.
    op.execute(
        """
        update rating set account_id = null, person_id = null from rating as earlier
        where earlier.account_id = rating.account_id and earlier.site_id = rating.site_id
            and earlier.rated_on = rating.rated_on and earlier.id < rating.id
        """
    )
    op.create_index(
        "rating_account_id_site_id_rated_on_key",
        "rating",
        ["account_id", "site_id", "rated_on"],
        unique=True,
        postgresql_where="account_id is not null",
    )
    op.drop_index("rating_reservation_id_key", table_name="rating")
    op.drop_constraint(op.f("rating_reservation_id_fkey"), "rating", type_="foreignkey")
    op.drop_column("rating", "reservation_id")
