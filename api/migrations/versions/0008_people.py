"""Persons, their tags, who may act for them, and consents."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "person",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=True),
        sa.Column("name", sa.LargeBinary(), nullable=True),
        sa.Column("name_blind", sa.LargeBinary(), nullable=True),
        sa.Column("id_kind", sa.String(), nullable=True),
        sa.Column("id_number", sa.LargeBinary(), nullable=True),
        sa.Column("id_number_blind", sa.LargeBinary(), nullable=True),
        sa.Column("birth_on", sa.LargeBinary(), nullable=True),
        sa.Column("sex", sa.LargeBinary(), nullable=True),
        sa.Column("phone", sa.LargeBinary(), nullable=True),
        sa.Column("phone_blind", sa.LargeBinary(), nullable=True),
        sa.Column("home_area_id", sa.Uuid(), nullable=True),
        sa.Column("verification", sa.String(), nullable=True),
        sa.Column("verified_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("verified_by", sa.Uuid(), nullable=True),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("erased_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.CheckConstraint(
            "id_kind in ('id_card', 'foreign_permanent_resident', 'passport', 'hk_macau_permit', 'taiwan_permit')",
            name=op.f("person_id_kind_check"),
        ),
        sa.CheckConstraint(
            "verification in ('checksum', 'phone', 'desk', 'webhook') and (verification is null) = (verified_at is null)",
            name=op.f("person_verification_check"),
        ),
        sa.CheckConstraint("(erased_at is null) = (name is not null)", name=op.f("person_erased_check")),
        sa.CheckConstraint(
            "(id_number is null) = (id_number_blind is null) and (id_number is null) = (id_kind is null)",
            name=op.f("person_id_number_check"),
        ),
        sa.CheckConstraint("(name is null) = (name_blind is null)", name=op.f("person_name_check")),
        sa.CheckConstraint("(phone is null) = (phone_blind is null)", name=op.f("person_phone_check")),
        sa.CheckConstraint(
            "erased_at is null or (id_number is null and phone is null)", name=op.f("person_erased_all_check")
        ),
        sa.CheckConstraint("version >= 1", name=op.f("person_version_check")),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("person_account_id_fkey")),
        sa.ForeignKeyConstraint(["home_area_id"], ["area.id"], name=op.f("person_home_area_id_fkey")),
        sa.ForeignKeyConstraint(["verified_by"], ["account.id"], name=op.f("person_verified_by_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("person_pkey")),
    )
    op.create_index(
        "person_account_id_key",
        "person",
        ["account_id"],
        unique=True,
        postgresql_where="account_id is not null",
    )
    op.create_index("person_home_area_id_idx", "person", ["home_area_id", "id"], unique=False)
    op.create_index(
        "person_id_number_blind_key",
        "person",
        ["id_number_blind"],
        unique=True,
        postgresql_where="id_number_blind is not null",
    )
    op.create_index(
        "person_name_blind_idx",
        "person",
        ["name_blind"],
        unique=False,
        postgresql_where="name_blind is not null",
    )
    op.create_index(
        "person_phone_blind_idx",
        "person",
        ["phone_blind"],
        unique=False,
        postgresql_where="phone_blind is not null",
    )
    op.create_table(
        "person_request",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("relation", sa.String(), nullable=False),
        sa.Column("name", sa.LargeBinary(), nullable=False),
        sa.Column("id_kind", sa.String(), nullable=False),
        sa.Column("id_number", sa.LargeBinary(), nullable=False),
        sa.Column("id_number_blind", sa.LargeBinary(), nullable=False),
        sa.Column("birth_on", sa.LargeBinary(), nullable=True),
        sa.Column("sex", sa.LargeBinary(), nullable=True),
        sa.Column("phone", sa.LargeBinary(), nullable=True),
        sa.Column("code_phone", sa.LargeBinary(), nullable=True),
        sa.Column("home_area_id", sa.Uuid(), nullable=True),
        sa.Column("scopes", sa.ARRAY(sa.String()), server_default="{}", nullable=False),
        sa.Column("purpose", sa.LargeBinary(), nullable=True),
        sa.Column("until_on", sa.Date(), nullable=True),
        sa.Column("requested_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint(
            "(relation = 'self') = (until_on is null)", name=op.f("person_request_until_on_check")
        ),
        sa.CheckConstraint(
            "relation in ('self', 'child', 'spouse', 'parent', 'sibling', 'relative', 'neighbour', 'carer', 'guardian', 'other')",
            name=op.f("person_request_relation_check"),
        ),
        sa.CheckConstraint(
            "scopes <@ array['book.meal', 'book.clinic', 'book.all', 'view']::varchar[]",
            name=op.f("person_request_scopes_check"),
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("person_request_account_id_fkey"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["home_area_id"], ["area.id"], name=op.f("person_request_home_area_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("person_request_pkey")),
    )
    op.create_index(
        "person_request_account_id_idx", "person_request", ["account_id", "requested_at"], unique=False
    )
    op.create_index("person_request_id_number_blind_idx", "person_request", ["id_number_blind"], unique=False)
    op.create_index("person_request_requested_at_idx", "person_request", ["requested_at"], unique=False)
    op.create_table(
        "consent",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=True),
        sa.Column("person_id", sa.Uuid(), nullable=True),
        sa.Column("purpose", sa.String(), nullable=False),
        sa.Column("text_version", sa.String(), nullable=False),
        sa.Column("how", sa.String(), nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("given_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("recorded_by", sa.Uuid(), nullable=True),
        sa.Column("withdrawn_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.CheckConstraint(
            "how in ('app', 'code', 'guardian', 'desk', 'callback')", name=op.f("consent_how_check")
        ),
        sa.CheckConstraint(
            "purpose in ('service', 'id', 'health', 'location')", name=op.f("consent_purpose_check")
        ),
        sa.CheckConstraint(
            "account_id is not null or person_id is not null", name=op.f("consent_whose_check")
        ),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("consent_account_id_fkey")),
        sa.ForeignKeyConstraint(
            ["person_id"], ["person.id"], name=op.f("consent_person_id_fkey"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["recorded_by"], ["account.id"], name=op.f("consent_recorded_by_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("consent_pkey")),
    )
    op.create_index("consent_account_id_idx", "consent", ["account_id", "purpose"], unique=False)
    op.create_index("consent_person_id_idx", "consent", ["person_id", "purpose"], unique=False)
    op.create_table(
        "delegation",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("grantee_id", sa.Uuid(), nullable=True),
        sa.Column("grantee_phone", sa.LargeBinary(), nullable=True),
        sa.Column("grantee_phone_blind", sa.LargeBinary(), nullable=True),
        sa.Column("relation", sa.String(), nullable=False),
        sa.Column("scopes", sa.ARRAY(sa.String()), nullable=False),
        sa.Column("purpose", sa.LargeBinary(), nullable=True),
        sa.Column("until_on", sa.Date(), nullable=False),
        sa.Column("state", sa.String(), server_default="pending", nullable=False),
        sa.Column("way", sa.String(), nullable=True),
        sa.Column("offered_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("accepted_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("witnessed_by", sa.Uuid(), nullable=True),
        sa.Column("reason", sa.LargeBinary(), nullable=True),
        sa.Column("witness", sa.LargeBinary(), nullable=True),
        sa.Column("ended_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("ended_by", sa.String(), nullable=True),
        sa.CheckConstraint(
            "(grantee_phone is null) = (grantee_phone_blind is null) and (state = 'pending' or grantee_phone is null)",
            name=op.f("delegation_grantee_phone_check"),
        ),
        sa.CheckConstraint(
            "ended_by in ('grantor', 'grantee', 'staff', 'system')", name=op.f("delegation_ended_by_check")
        ),
        sa.CheckConstraint(
            "grantee_id is not null or state <> 'active'", name=op.f("delegation_grantee_check")
        ),
        sa.CheckConstraint(
            "relation in ('child', 'spouse', 'parent', 'sibling', 'relative', 'neighbour', 'carer', 'guardian', 'other')",
            name=op.f("delegation_relation_check"),
        ),
        sa.CheckConstraint(
            "scopes <@ array['book.meal', 'book.clinic', 'book.all', 'view']::varchar[] and cardinality(scopes) > 0",
            name=op.f("delegation_scopes_check"),
        ),
        sa.CheckConstraint(
            "state in ('pending', 'active', 'declined', 'revoked', 'expired')",
            name=op.f("delegation_state_check"),
        ),
        sa.CheckConstraint(
            "way in ('code', 'app', 'callback', 'desk', 'register')", name=op.f("delegation_way_check")
        ),
        sa.ForeignKeyConstraint(["grantee_id"], ["account.id"], name=op.f("delegation_grantee_id_fkey")),
        sa.ForeignKeyConstraint(
            ["person_id"], ["person.id"], name=op.f("delegation_person_id_fkey"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["witnessed_by"], ["account.id"], name=op.f("delegation_witnessed_by_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("delegation_pkey")),
    )
    op.create_index(
        "delegation_grantee_id_idx",
        "delegation",
        ["grantee_id"],
        unique=False,
        postgresql_where="state = 'active'",
    )
    op.create_index(
        "delegation_grantee_phone_blind_idx",
        "delegation",
        ["grantee_phone_blind"],
        unique=False,
        postgresql_where="state = 'pending'",
    )
    op.create_index(
        "delegation_person_id_grantee_id_key",
        "delegation",
        ["person_id", "grantee_id"],
        unique=True,
        postgresql_where="state = 'active'",
    )
    op.create_index("delegation_person_id_idx", "delegation", ["person_id", "offered_at"], unique=False)
    op.create_table(
        "person_tag",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("tag", sa.String(), nullable=False),
        sa.Column("evidence", sa.LargeBinary(), nullable=False),
        sa.Column("from_on", sa.Date(), nullable=False),
        sa.Column("until_on", sa.Date(), nullable=True),
        sa.Column("granted_by", sa.Uuid(), nullable=False),
        sa.Column("granted_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("revoked_by", sa.Uuid(), nullable=True),
        sa.Column("revoked_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("revoke_reason", sa.String(), nullable=True),
        sa.CheckConstraint(
            "(revoked_at is null) = (revoked_by is null)", name=op.f("person_tag_revoked_check")
        ),
        sa.CheckConstraint("from_on <= until_on", name=op.f("person_tag_dates_check")),
        sa.ForeignKeyConstraint(["granted_by"], ["account.id"], name=op.f("person_tag_granted_by_fkey")),
        sa.ForeignKeyConstraint(
            ["person_id"], ["person.id"], name=op.f("person_tag_person_id_fkey"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["revoked_by"], ["account.id"], name=op.f("person_tag_revoked_by_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("person_tag_pkey")),
    )
    op.create_index("person_tag_person_id_idx", "person_tag", ["person_id", "tag"], unique=False)


def downgrade() -> None:
    op.drop_index("person_tag_person_id_idx", table_name="person_tag")
    op.drop_table("person_tag")
    op.drop_index("delegation_person_id_idx", table_name="delegation")
    op.drop_index(
        "delegation_person_id_grantee_id_key", table_name="delegation", postgresql_where="state = 'active'"
    )
    op.drop_index(
        "delegation_grantee_phone_blind_idx", table_name="delegation", postgresql_where="state = 'pending'"
    )
    op.drop_index("delegation_grantee_id_idx", table_name="delegation", postgresql_where="state = 'active'")
    op.drop_table("delegation")
    op.drop_index("consent_person_id_idx", table_name="consent")
    op.drop_index("consent_account_id_idx", table_name="consent")
    op.drop_table("consent")
    op.drop_index("person_request_requested_at_idx", table_name="person_request")
    op.drop_index("person_request_id_number_blind_idx", table_name="person_request")
    op.drop_index("person_request_account_id_idx", table_name="person_request")
    op.drop_table("person_request")
    op.drop_index("person_phone_blind_idx", table_name="person", postgresql_where="phone_blind is not null")
    op.drop_index("person_name_blind_idx", table_name="person", postgresql_where="name_blind is not null")
    op.drop_index(
        "person_id_number_blind_key", table_name="person", postgresql_where="id_number_blind is not null"
    )
    op.drop_index("person_home_area_id_idx", table_name="person")
    op.drop_index("person_account_id_key", table_name="person", postgresql_where="account_id is not null")
    op.drop_table("person")
