"""One consent for a purpose is in force; states that nothing ever writes are no longer allowed."""

from collections.abc import Iterable

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

OWNERS = ("account_id", "person_id")
# Whoever agreed twice at one moment, or to a newer text too, is held to the younger one.
END_OLDER = """
update consent older set withdrawn_at = now()
where withdrawn_at is null and exists (
    select from consent younger
    where younger.{owner} = older.{owner} and younger.purpose = older.purpose and younger.withdrawn_at is null
        and (younger.given_at, younger.id) > (older.given_at, older.id)
)
"""
CHECKS = (
    ("account_session", "end_reason", ("signed_out", "ended", "refresh_reused", "erased", "locked")),
    ("delegation", "state", ("pending", "active", "declined", "revoked")),
)


def upgrade() -> None:
    for owner in OWNERS:
        op.execute(END_OLDER.format(owner=owner))
        op.create_index(
            f"consent_{owner}_purpose_key",
            "consent",
            [owner, "purpose"],
            unique=True,
            postgresql_where=sa.text("withdrawn_at is null"),
        )
    _check(CHECKS)


def downgrade() -> None:
    _check((table, column, (*values, "expired")) for table, column, values in CHECKS)
    for owner in OWNERS:
        op.drop_index(f"consent_{owner}_purpose_key", table_name="consent")


def _check(checks: Iterable[tuple[str, str, tuple[str, ...]]]) -> None:
    for table, column, values in checks:
        allowed = ", ".join(f"'{value}'" for value in values)
        op.drop_constraint(op.f(f"{table}_{column}_check"), table, type_="check")
        op.create_check_constraint(op.f(f"{table}_{column}_check"), table, f"{column} in ({allowed})")
