"""Staff accounts with second factors, roles within scopes, and what limits guessing."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "sign_in_try",
        sa.Column("bucket", sa.LargeBinary(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("tried_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("blocked_until", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("known_until", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("bucket", name=op.f("sign_in_try_pkey")),
    )
    op.create_index("sign_in_try_tried_at_idx", "sign_in_try", ["tried_at"], unique=False)
    op.create_table(
        "role_grant",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("scope", sa.String(), nullable=False),
        sa.Column("scope_id", sa.String(), nullable=True),
        sa.Column("granted_by", sa.String(), nullable=False),
        sa.Column("granted_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("ends_on", sa.Date(), nullable=True),
        sa.Column("revoked_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("revoked_by", sa.String(), nullable=True),
        sa.Column("reason", sa.String(), nullable=True),
        sa.CheckConstraint(
            "(scope in ('own', 'district')) = (scope_id is null)", name=op.f("role_grant_scope_id_check")
        ),
        sa.CheckConstraint(
            "role in ('resident', 'seeker', 'employer', 'site_staff', 'carer', 'clinician', 'inspector', 'district_admin', 'system_admin', 'security_admin', 'auditor')",
            name=op.f("role_grant_role_check"),
        ),
        sa.CheckConstraint(
            "scope in ('own', 'site', 'township', 'category', 'district')",
            name=op.f("role_grant_scope_check"),
        ),
        sa.CheckConstraint(
            "(revoked_at is null) = (revoked_by is null)", name=op.f("role_grant_revoked_check")
        ),
        sa.CheckConstraint("length(reason) <= 500", name=op.f("role_grant_reason_check")),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("role_grant_account_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("role_grant_pkey")),
    )
    op.create_index(
        "role_grant_account_id_role_scope_scope_id_key",
        "role_grant",
        ["account_id", "role", "scope", "scope_id"],
        unique=True,
        postgresql_nulls_not_distinct=True,
        postgresql_where="revoked_at is null",
    )
    op.create_index(
        "role_grant_separated_key",
        "role_grant",
        ["account_id"],
        unique=True,
        postgresql_where="revoked_at is null and role in ('system_admin', 'security_admin', 'auditor')",
    )
    op.create_table(
        "staff_account",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("username", sa.String(), nullable=False),
        sa.Column("office", sa.String(), nullable=True),
        sa.Column("password_hash", sa.String(), nullable=True),
        sa.Column("totp_secret", sa.LargeBinary(), nullable=True),
        sa.Column("totp_step", sa.Integer(), server_default="0", nullable=False),
        sa.Column("enrolled_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint(
            "username ~ '^[a-z0-9][a-z0-9._-]{1,39}$'", name=op.f("staff_account_username_check")
        ),
        sa.CheckConstraint(
            "enrolled_at is null or (password_hash is not null and totp_secret is not null)",
            name=op.f("staff_account_enrolled_check"),
        ),
        sa.ForeignKeyConstraint(
            ["id"], ["account.id"], name=op.f("staff_account_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("staff_account_pkey")),
    )
    op.create_index("staff_account_username_key", "staff_account", ["username"], unique=True)
    op.create_table(
        "enrolment",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("staff_id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("expires_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("used_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["staff_id"], ["staff_account.id"], name=op.f("enrolment_staff_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("enrolment_pkey")),
    )
    op.create_index("enrolment_digest_key", "enrolment", ["digest"], unique=True)
    op.create_index("enrolment_staff_id_idx", "enrolment", ["staff_id"], unique=False)
    op.create_table(
        "recovery_code",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("staff_id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("used_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["staff_id"], ["staff_account.id"], name=op.f("recovery_code_staff_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("recovery_code_pkey")),
    )
    op.create_index("recovery_code_staff_id_digest_key", "recovery_code", ["staff_id", "digest"], unique=True)


def downgrade() -> None:
    op.drop_index("recovery_code_staff_id_digest_key", table_name="recovery_code")
    op.drop_table("recovery_code")
    op.drop_index("enrolment_staff_id_idx", table_name="enrolment")
    op.drop_index("enrolment_digest_key", table_name="enrolment")
    op.drop_table("enrolment")
    op.drop_index("staff_account_username_key", table_name="staff_account")
    op.drop_table("staff_account")
    op.drop_index(
        "role_grant_separated_key",
        table_name="role_grant",
        postgresql_where="revoked_at is null and role in ('system_admin', 'security_admin', 'auditor')",
    )
    op.drop_index(
        "role_grant_account_id_role_scope_scope_id_key",
        table_name="role_grant",
        postgresql_nulls_not_distinct=True,
        postgresql_where="revoked_at is null",
    )
    op.drop_table("role_grant")
    op.drop_index("sign_in_try_tried_at_idx", table_name="sign_in_try")
    op.drop_table("sign_in_try")
