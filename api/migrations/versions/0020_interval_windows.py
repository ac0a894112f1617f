"""Windows of interval offerings close before their end: each booking within them has a start of its own."""

from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None
CLOSE = """
update slot set closes_at = slot.{edge} - make_interval(mins => offering.closes_minutes_before),
    opens_at = least(slot.opens_at, slot.{edge} - make_interval(mins => offering.closes_minutes_before))
from offering where offering.id = slot.offering_id and offering.shape = 'interval' and slot.ends_at > now()
"""


def upgrade() -> None:
    op.execute(CLOSE.format(edge="ends_at"))


def downgrade() -> None:
    op.execute(CLOSE.format(edge="starts_at"))
