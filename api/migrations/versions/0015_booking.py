"""The booking engine: offerings, slots and their places, reservations, waiting lists, who is told."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "allocation",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("slot_id", sa.Uuid(), nullable=False),
        sa.Column("tier", sa.String(), nullable=False),
        sa.Column("reservation_id", sa.Uuid(), nullable=True),
        sa.Column("held", sa.SmallInteger(), nullable=False),
        sa.Column("confirmed", sa.SmallInteger(), nullable=False),
        sa.Column("set_aside", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="allocation_pkey"),
    )
    op.create_index(
        "allocation_reservation_id_idx",
        "allocation",
        ["reservation_id"],
        unique=False,
        postgresql_where="reservation_id is not null",
    )
    op.create_index("allocation_slot_id_idx", "allocation", ["slot_id", "tier"], unique=False)
    op.create_table(
        "event",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=True),
        sa.Column("account_id", sa.Uuid(), nullable=True),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("data", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("dedupe", sa.String(), nullable=True),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("relayed_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name="event_account_id_fkey", ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["person.id"], name="event_person_id_fkey", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="event_pkey"),
    )
    op.create_index(
        "event_dedupe_key", "event", ["dedupe"], unique=True, postgresql_where="dedupe is not null"
    )
    op.create_index(
        "event_relayed_at_idx",
        "event",
        ["relayed_at"],
        unique=False,
        postgresql_where="relayed_at is not null",
    )
    op.create_index("event_waiting_idx", "event", ["id"], unique=False, postgresql_where="relayed_at is null")
    op.create_table(
        "offering",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("shape", sa.String(), nullable=False),
        sa.Column("capacity_authority", sa.String(), server_default="owned", nullable=False),
        sa.Column("external_url", sa.String(), nullable=True),
        sa.Column("status", sa.String(), server_default="draft", nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("title_en", sa.String(), nullable=True),
        sa.Column("description", sa.String(), nullable=True),
        sa.Column("opens_days_before", sa.SmallInteger(), server_default="7", nullable=False),
        sa.Column("opens_at", sa.Time(), nullable=True),
        sa.Column("closes_minutes_before", sa.Integer(), server_default="0", nullable=False),
        sa.Column("cancel_minutes_before", sa.Integer(), server_default="0", nullable=False),
        sa.Column("modes", sa.ARRAY(sa.String()), server_default="{}", nullable=False),
        sa.Column("party_max", sa.SmallInteger(), server_default="1", nullable=False),
        sa.Column("hold_seconds", sa.Integer(), server_default="300", nullable=False),
        sa.Column("offer_minutes", sa.Integer(), server_default="30", nullable=False),
        sa.Column("exclusive", sa.Boolean(), server_default="true", nullable=False),
        sa.Column("assurance", sa.String(), server_default="phone", nullable=False),
        sa.Column("price_fen", sa.Integer(), nullable=True),
        sa.Column("rules", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("granularity_minutes", sa.Integer(), nullable=True),
        sa.Column("shortest_minutes", sa.Integer(), nullable=True),
        sa.Column("longest_minutes", sa.Integer(), nullable=True),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("updated_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint(
            "(capacity_authority = 'external') = (external_url is not null)",
            name=op.f("offering_external_url_check"),
        ),
        sa.CheckConstraint(
            "(shape = 'interval') = (granularity_minutes is not null) and (shape = 'interval') = (shortest_minutes is not null) and (shape = 'interval') = (longest_minutes is not null)",
            name=op.f("offering_interval_check"),
        ),
        sa.CheckConstraint(
            "assurance in ('none', 'phone', 'real_name')", name=op.f("offering_assurance_check")
        ),
        sa.CheckConstraint("btrim(title) <> '' and length(title) <= 200", name=op.f("offering_title_check")),
        sa.CheckConstraint(
            "capacity_authority in ('owned', 'allotted', 'external')",
            name=op.f("offering_capacity_authority_check"),
        ),
        sa.CheckConstraint(
            "kind in ('meal', 'clinic', 'venue', 'performance', 'course', 'event', 'advice', 'supply')",
            name=op.f("offering_kind_check"),
        ),
        sa.CheckConstraint("shape in ('counted', 'seated', 'interval')", name=op.f("offering_shape_check")),
        sa.CheckConstraint(
            "status in ('draft', 'active', 'paused', 'ended')", name=op.f("offering_status_check")
        ),
        sa.CheckConstraint(
            "cancel_minutes_before between 0 and 100000", name=op.f("offering_cancel_minutes_before_check")
        ),
        sa.CheckConstraint(
            "closes_minutes_before between 0 and 100000", name=op.f("offering_closes_minutes_before_check")
        ),
        sa.CheckConstraint(
            "granularity_minutes > 0 and shortest_minutes >= granularity_minutes and longest_minutes >= shortest_minutes",
            name=op.f("offering_lengths_check"),
        ),
        sa.CheckConstraint("hold_seconds between 30 and 86400", name=op.f("offering_hold_seconds_check")),
        sa.CheckConstraint("offer_minutes between 1 and 10080", name=op.f("offering_offer_minutes_check")),
        sa.CheckConstraint(
            "opens_days_before between 0 and 366", name=op.f("offering_opens_days_before_check")
        ),
        sa.CheckConstraint("party_max between 1 and 100", name=op.f("offering_party_max_check")),
        sa.CheckConstraint("price_fen >= 0", name=op.f("offering_price_fen_check")),
        sa.CheckConstraint("version >= 1", name=op.f("offering_version_check")),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name="offering_site_id_fkey"),
        sa.PrimaryKeyConstraint("id", name="offering_pkey"),
    )
    op.create_index("offering_kind_idx", "offering", ["kind", "id"], unique=False)
    op.create_index("offering_site_id_idx", "offering", ["site_id", "id"], unique=False)
    op.create_table(
        "person_commitment",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("during", postgresql.TSTZRANGE(), nullable=False),
        postgresql.ExcludeConstraint(
            (sa.column("person_id"), "="),
            (sa.column("during"), "&&"),
            using="gist",
            name="person_commitment_overlap_excl",
        ),
        sa.CheckConstraint("kind in ('reservation', 'gig')", name=op.f("person_commitment_kind_check")),
        sa.CheckConstraint(
            "not isempty(during) and not lower_inf(during) and not upper_inf(during)",
            name=op.f("person_commitment_during_check"),
        ),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name="person_commitment_person_id_fkey"),
        sa.PrimaryKeyConstraint("id", name="person_commitment_pkey"),
    )
    op.create_index("person_commitment_subject_id_idx", "person_commitment", ["subject_id"], unique=False)
    op.create_table(
        "person_quota",
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("scope", sa.String(), nullable=False),
        sa.Column("period_on", sa.Date(), nullable=False),
        sa.Column("used", sa.Integer(), nullable=False),
        sa.Column("most", sa.Integer(), nullable=False),
        sa.CheckConstraint("used <= most", name=op.f("person_quota_most_check")),
        sa.CheckConstraint("used >= 0", name=op.f("person_quota_used_check")),
        sa.ForeignKeyConstraint(
            ["person_id"], ["person.id"], name="person_quota_person_id_fkey", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("person_id", "scope", "period_on", name="person_quota_pkey"),
    )
    op.create_index("person_quota_period_on_idx", "person_quota", ["period_on"], unique=False)
    op.create_table(
        "seat",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column("map", sa.String(), nullable=False),
        sa.Column("row_name", sa.String(), nullable=False),
        sa.Column("row_rank", sa.SmallInteger(), nullable=False),
        sa.Column("number", sa.String(), nullable=False),
        sa.Column("x", sa.SmallInteger(), nullable=False),
        sa.Column("kind", sa.String(), server_default="standard", nullable=False),
        sa.CheckConstraint("kind in ('standard', 'wheelchair', 'companion')", name=op.f("seat_kind_check")),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name="seat_site_id_fkey", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="seat_pkey"),
        sa.UniqueConstraint(
            "site_id", "map", "row_name", "number", name="seat_site_id_map_row_name_number_key"
        ),
        sa.UniqueConstraint("site_id", "map", "row_rank", "x", name="seat_site_id_map_row_rank_x_key"),
    )
    op.create_table(
        "offering_template",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("offering_id", sa.Uuid(), nullable=False),
        sa.Column("weekdays", sa.ARRAY(sa.SmallInteger()), nullable=False),
        sa.Column("day_kinds", sa.ARRAY(sa.String()), nullable=False),
        sa.Column("starts_at", sa.Time(), nullable=False),
        sa.Column("ends_at", sa.Time(), nullable=False),
        sa.Column("slot_minutes", sa.Integer(), nullable=True),
        sa.Column("places", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column(
            "release_minutes", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False
        ),
        sa.Column("seat_map", sa.String(), nullable=True),
        sa.Column("needs", postgresql.JSONB(astext_type=sa.Text()), server_default="[]", nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_until", sa.Date(), nullable=True),
        sa.Column("ended_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint(
            "day_kinds <@ array['workday','rest_day','holiday','makeup_workday']::varchar[] and cardinality(day_kinds) > 0",
            name=op.f("offering_template_day_kinds_check"),
        ),
        sa.CheckConstraint(
            "slot_minutes between 5 and 1440", name=op.f("offering_template_slot_minutes_check")
        ),
        sa.CheckConstraint("valid_from <= valid_until", name=op.f("offering_template_valid_check")),
        sa.CheckConstraint(
            "weekdays <@ array[1,2,3,4,5,6,7]::smallint[] and cardinality(weekdays) > 0",
            name=op.f("offering_template_weekdays_check"),
        ),
        sa.ForeignKeyConstraint(
            ["offering_id"], ["offering.id"], name="offering_template_offering_id_fkey", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="offering_template_pkey"),
    )
    op.create_index("offering_template_offering_id_idx", "offering_template", ["offering_id"], unique=False)
    op.create_table(
        "resource",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("offering_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.String(), server_default="place", nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("name_en", sa.String(), nullable=True),
        sa.Column("position", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("status", sa.String(), server_default="active", nullable=False),
        sa.CheckConstraint("btrim(name) <> '' and length(name) <= 100", name=op.f("resource_name_check")),
        sa.CheckConstraint("status in ('active', 'inactive')", name=op.f("resource_status_check")),
        sa.ForeignKeyConstraint(
            ["offering_id"], ["offering.id"], name="resource_offering_id_fkey", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="resource_pkey"),
        sa.UniqueConstraint("offering_id", "name", name="resource_offering_id_name_key"),
    )
    op.create_table(
        "standing_booking",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("offering_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=True),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("weekdays", sa.ARRAY(sa.SmallInteger()), nullable=False),
        sa.Column("starts_at", sa.Time(), nullable=False),
        sa.Column("from_on", sa.Date(), nullable=False),
        sa.Column("until_on", sa.Date(), nullable=False),
        sa.Column("party_size", sa.SmallInteger(), nullable=False),
        sa.Column("mode", sa.String(), nullable=True),
        sa.Column("state", sa.String(), server_default="active", nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("ended_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.CheckConstraint("state in ('active', 'ended')", name=op.f("standing_booking_state_check")),
        sa.CheckConstraint("from_on <= until_on", name=op.f("standing_booking_dates_check")),
        sa.CheckConstraint("party_size >= 1", name=op.f("standing_booking_party_size_check")),
        sa.CheckConstraint(
            "weekdays <@ array[1,2,3,4,5,6,7]::smallint[] and cardinality(weekdays) > 0",
            name=op.f("standing_booking_weekdays_check"),
        ),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="standing_booking_account_id_fkey"),
        sa.ForeignKeyConstraint(["offering_id"], ["offering.id"], name="standing_booking_offering_id_fkey"),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name="standing_booking_person_id_fkey"),
        sa.PrimaryKeyConstraint("id", name="standing_booking_pkey"),
    )
    op.create_index(
        "standing_booking_offering_id_idx",
        "standing_booking",
        ["offering_id"],
        unique=False,
        postgresql_where="state = 'active'",
    )
    op.create_index("standing_booking_person_id_idx", "standing_booking", ["person_id"], unique=False)
    op.create_table(
        "slot",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("offering_id", sa.Uuid(), nullable=False),
        sa.Column("template_id", sa.Uuid(), nullable=True),
        sa.Column("on_date", sa.Date(), nullable=False),
        sa.Column("starts_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("ends_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("opens_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("closes_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("state", sa.String(), server_default="open", nullable=False),
        sa.Column("closed_reason", sa.String(), nullable=True),
        sa.Column("closed_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("moved_to", sa.Uuid(), nullable=True),
        sa.Column("settled_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("edited", sa.Boolean(), server_default="false", nullable=False),
        sa.CheckConstraint(
            "(state = 'closed') = (closed_reason is not null)", name=op.f("slot_closed_check")
        ),
        sa.CheckConstraint("state in ('open', 'closed')", name=op.f("slot_state_check")),
        sa.CheckConstraint("opens_at <= closes_at", name=op.f("slot_window_check")),
        sa.CheckConstraint("starts_at < ends_at", name=op.f("slot_times_check")),
        sa.ForeignKeyConstraint(["moved_to"], ["slot.id"], name="slot_moved_to_fkey"),
        sa.ForeignKeyConstraint(
            ["offering_id"], ["offering.id"], name="slot_offering_id_fkey", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["template_id"], ["offering_template.id"], name="slot_template_id_fkey"),
        sa.PrimaryKeyConstraint("id", name="slot_pkey"),
    )
    op.create_index("slot_offering_id_starts_at_idx", "slot", ["offering_id", "starts_at"], unique=False)
    op.create_index("slot_starts_at_idx", "slot", ["starts_at"], unique=False)
    op.create_index("slot_template_id_starts_at_key", "slot", ["template_id", "starts_at"], unique=True)
    op.create_index("slot_moved_to_idx", "slot", ["moved_to"], postgresql_where="moved_to is not null")
    op.create_index(
        "slot_unsettled_idx",
        "slot",
        ["closed_at"],
        unique=False,
        postgresql_where="state = 'closed' and settled_at is null",
    )
    op.create_table(
        "allotment",
        sa.Column("slot_id", sa.Uuid(), nullable=False),
        sa.Column("lender", sa.String(), nullable=False),
        sa.Column("reference", sa.String(), nullable=False),
        sa.Column("lent", sa.Integer(), nullable=False),
        sa.Column("return_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("returned", sa.Integer(), nullable=True),
        sa.Column("returned_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("reported_used", sa.Integer(), nullable=True),
        sa.Column("reported_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(reported_used is null) = (reported_at is null)", name=op.f("allotment_reported_check")
        ),
        sa.CheckConstraint(
            "(returned is null) = (returned_at is null)", name=op.f("allotment_returned_check")
        ),
        sa.CheckConstraint("lent >= 0 and returned between 0 and lent", name=op.f("allotment_counts_check")),
        sa.ForeignKeyConstraint(["slot_id"], ["slot.id"], name="allotment_slot_id_fkey", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("slot_id", name="allotment_pkey"),
    )
    op.create_index(
        "allotment_return_at_idx",
        "allotment",
        ["return_at"],
        unique=False,
        postgresql_where="returned_at is null",
    )
    op.create_table(
        "reservation",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("slot_id", sa.Uuid(), nullable=False),
        sa.Column("offering_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=True),
        sa.Column("account_id", sa.Uuid(), nullable=True),
        sa.Column("party_size", sa.SmallInteger(), nullable=False),
        sa.Column("mode", sa.String(), nullable=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("starts_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("ends_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("expires_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("price_fen", sa.Integer(), nullable=True),
        sa.Column("details", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.CheckConstraint(
            "(state = 'held') <= (expires_at is not null)", name=op.f("reservation_held_check")
        ),
        sa.CheckConstraint(
            "channel in ('web', 'app', 'kiosk', 'counter', 'phone', 'system')",
            name=op.f("reservation_channel_check"),
        ),
        sa.CheckConstraint(
            "state in ('held', 'confirmed', 'checked_in', 'no_show', 'cancelled', 'expired')",
            name=op.f("reservation_state_check"),
        ),
        sa.CheckConstraint("party_size >= 1", name=op.f("reservation_party_size_check")),
        sa.CheckConstraint("starts_at < ends_at", name=op.f("reservation_times_check")),
        sa.CheckConstraint("version >= 1", name=op.f("reservation_version_check")),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="reservation_account_id_fkey"),
        sa.ForeignKeyConstraint(["offering_id"], ["offering.id"], name="reservation_offering_id_fkey"),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name="reservation_person_id_fkey"),
        sa.ForeignKeyConstraint(["slot_id"], ["slot.id"], name="reservation_slot_id_fkey"),
        sa.PrimaryKeyConstraint("id", name="reservation_pkey"),
    )
    op.create_index(
        "reservation_account_id_starts_at_idx", "reservation", ["account_id", "starts_at"], unique=False
    )
    op.create_index(
        "reservation_expires_at_idx",
        "reservation",
        ["expires_at"],
        unique=False,
        postgresql_where="state = 'held'",
    )
    op.create_index(
        "reservation_held_idx",
        "reservation",
        ["slot_id", "expires_at"],
        unique=False,
        postgresql_where="state = 'held'",
    )
    op.create_index(
        "reservation_live_idx",
        "reservation",
        ["starts_at"],
        unique=False,
        postgresql_where="state = 'confirmed'",
    )
    op.create_index(
        "reservation_person_id_starts_at_idx", "reservation", ["person_id", "starts_at"], unique=False
    )
    op.create_index("reservation_slot_id_code_key", "reservation", ["slot_id", "code"], unique=True)
    op.create_table(
        "slot_bucket",
        sa.Column("slot_id", sa.Uuid(), nullable=False),
        sa.Column("tier", sa.String(), nullable=False),
        sa.Column("capacity", sa.Integer(), nullable=False),
        sa.Column("held", sa.Integer(), server_default="0", nullable=False),
        sa.Column("confirmed", sa.Integer(), server_default="0", nullable=False),
        sa.Column("set_aside", sa.Integer(), server_default="0", nullable=False),
        sa.Column("released_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.CheckConstraint("tier ~ '^[a-z][a-z0-9_]{0,29}$'", name=op.f("slot_bucket_tier_check")),
        sa.CheckConstraint(
            "held + confirmed + set_aside <= capacity", name=op.f("slot_bucket_capacity_check")
        ),
        sa.CheckConstraint(
            "held >= 0 and confirmed >= 0 and set_aside >= 0", name=op.f("slot_bucket_counts_check")
        ),
        sa.ForeignKeyConstraint(
            ["slot_id"], ["slot.id"], name="slot_bucket_slot_id_fkey", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("slot_id", "tier", name="slot_bucket_pkey"),
        postgresql_with={"fillfactor": 50},
    )
    op.create_index(
        "slot_bucket_set_aside_idx",
        "slot_bucket",
        ["slot_id"],
        unique=False,
        postgresql_where="set_aside > 0",
    )
    op.create_table(
        "slot_need",
        sa.Column("slot_id", sa.Uuid(), nullable=False),
        sa.Column("needs_slot_id", sa.Uuid(), nullable=False),
        sa.Column("per", sa.String(), nullable=False),
        sa.Column("modes", sa.ARRAY(sa.String()), server_default="{}", nullable=False),
        sa.CheckConstraint("per in ('person', 'booking')", name=op.f("slot_need_per_check")),
        sa.ForeignKeyConstraint(["needs_slot_id"], ["slot.id"], name="slot_need_needs_slot_id_fkey"),
        sa.ForeignKeyConstraint(["slot_id"], ["slot.id"], name="slot_need_slot_id_fkey", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("slot_id", "needs_slot_id", name="slot_need_pkey"),
    )
    op.create_index("slot_need_needs_slot_id_idx", "slot_need", ["needs_slot_id"])
    op.create_table(
        "slot_warning",
        sa.Column("template_id", sa.Uuid(), nullable=False),
        sa.Column("on_date", sa.Date(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("offering_id", sa.Uuid(), nullable=False),
        sa.Column("slot_id", sa.Uuid(), nullable=True),
        sa.Column("found_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["offering_id"], ["offering.id"], name="slot_warning_offering_id_fkey", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["slot_id"], ["slot.id"], name="slot_warning_slot_id_fkey", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["template_id"],
            ["offering_template.id"],
            name="slot_warning_template_id_fkey",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("template_id", "on_date", "code", name="slot_warning_pkey"),
    )
    op.create_index("slot_warning_offering_id_idx", "slot_warning", ["offering_id", "on_date"], unique=False)
    op.create_table(
        "attendance_mark",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("reservation_id", sa.Uuid(), nullable=False),
        sa.Column("offering_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("appeal_state", sa.String(), nullable=True),
        sa.Column("appealed_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("appeal", sa.LargeBinary(), nullable=True),
        sa.Column("answer", sa.LargeBinary(), nullable=True),
        sa.Column("decided_by", sa.Uuid(), nullable=True),
        sa.Column("decided_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.CheckConstraint(
            "appeal_state in ('open', 'waived', 'upheld')", name=op.f("attendance_mark_appeal_state_check")
        ),
        sa.CheckConstraint("kind in ('no_show', 'late_cancel')", name=op.f("attendance_mark_kind_check")),
        sa.CheckConstraint(
            "(appeal_state is null) = (appealed_at is null)", name=op.f("attendance_mark_appealed_check")
        ),
        sa.ForeignKeyConstraint(["decided_by"], ["account.id"], name="attendance_mark_decided_by_fkey"),
        sa.ForeignKeyConstraint(["offering_id"], ["offering.id"], name="attendance_mark_offering_id_fkey"),
        sa.ForeignKeyConstraint(
            ["person_id"], ["person.id"], name="attendance_mark_person_id_fkey", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["reservation_id"],
            ["reservation.id"],
            name="attendance_mark_reservation_id_fkey",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="attendance_mark_pkey"),
    )
    op.create_index(
        "attendance_mark_appeal_idx",
        "attendance_mark",
        ["appealed_at"],
        unique=False,
        postgresql_where="appeal_state = 'open'",
    )
    op.create_index("attendance_mark_person_id_idx", "attendance_mark", ["person_id", "at"], unique=False)
    op.create_index("attendance_mark_reservation_id_key", "attendance_mark", ["reservation_id"], unique=True)
    op.create_table(
        "reservation_step",
        sa.Column("reservation_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("slot_id", sa.Uuid(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("why", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["reservation_id"],
            ["reservation.id"],
            name="reservation_step_reservation_id_fkey",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("reservation_id", "number", name="reservation_step_pkey"),
    )
    op.create_table(
        "resource_span",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("resource_id", sa.Uuid(), nullable=False),
        sa.Column("reservation_id", sa.Uuid(), nullable=False),
        sa.Column("during", postgresql.TSTZRANGE(), nullable=False),
        postgresql.ExcludeConstraint(
            (sa.column("resource_id"), "="),
            (sa.column("during"), "&&"),
            using="gist",
            name="resource_span_overlap_excl",
        ),
        sa.CheckConstraint(
            "not isempty(during) and not lower_inf(during) and not upper_inf(during)",
            name=op.f("resource_span_during_check"),
        ),
        sa.ForeignKeyConstraint(
            ["reservation_id"],
            ["reservation.id"],
            name="resource_span_reservation_id_fkey",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["resource_id"], ["resource.id"], name="resource_span_resource_id_fkey"),
        sa.PrimaryKeyConstraint("id", name="resource_span_pkey"),
    )
    op.create_index("resource_span_reservation_id_idx", "resource_span", ["reservation_id"], unique=False)
    op.create_table(
        "slot_seat",
        sa.Column("slot_id", sa.Uuid(), nullable=False),
        sa.Column("seat_id", sa.Uuid(), nullable=False),
        sa.Column("reservation_id", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(["reservation_id"], ["reservation.id"], name="slot_seat_reservation_id_fkey"),
        sa.ForeignKeyConstraint(["seat_id"], ["seat.id"], name="slot_seat_seat_id_fkey"),
        sa.ForeignKeyConstraint(["slot_id"], ["slot.id"], name="slot_seat_slot_id_fkey", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("slot_id", "seat_id", name="slot_seat_pkey"),
    )
    op.create_index(
        "slot_seat_reservation_id_idx",
        "slot_seat",
        ["reservation_id"],
        unique=False,
        postgresql_where="reservation_id is not null",
    )
    op.create_table(
        "standing_date",
        sa.Column("standing_id", sa.Uuid(), nullable=False),
        sa.Column("on_date", sa.Date(), nullable=False),
        sa.Column("reservation_id", sa.Uuid(), nullable=True),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("tried_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["reservation_id"], ["reservation.id"], name="standing_date_reservation_id_fkey"
        ),
        sa.ForeignKeyConstraint(
            ["standing_id"],
            ["standing_booking.id"],
            name="standing_date_standing_id_fkey",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("standing_id", "on_date", name="standing_date_pkey"),
    )
    op.create_table(
        "waitlist_entry",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("slot_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=True),
        sa.Column("party_size", sa.SmallInteger(), nullable=False),
        sa.Column("mode", sa.String(), nullable=True),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("tiers", sa.ARRAY(sa.String()), nullable=False),
        sa.Column("wheelchair", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("price_fen", sa.Integer(), nullable=True),
        sa.Column("details", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("state", sa.String(), server_default="waiting", nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("reservation_id", sa.Uuid(), nullable=True),
        sa.Column("joined_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("decided_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(state in ('offered', 'accepted', 'declined', 'expired')) <= (reservation_id is not null)",
            name=op.f("waitlist_entry_reservation_check"),
        ),
        sa.CheckConstraint(
            "state in ('waiting', 'offered', 'accepted', 'declined', 'expired', 'left', 'passed', 'closed')",
            name=op.f("waitlist_entry_state_check"),
        ),
        sa.CheckConstraint("party_size >= 1", name=op.f("waitlist_entry_party_size_check")),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="waitlist_entry_account_id_fkey"),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name="waitlist_entry_person_id_fkey"),
        sa.ForeignKeyConstraint(
            ["reservation_id"], ["reservation.id"], name="waitlist_entry_reservation_id_fkey"
        ),
        sa.ForeignKeyConstraint(
            ["slot_id"], ["slot.id"], name="waitlist_entry_slot_id_fkey", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="waitlist_entry_pkey"),
    )
    op.create_index("waitlist_entry_person_id_idx", "waitlist_entry", ["person_id", "id"], unique=False)
    op.create_index(
        "waitlist_entry_person_key",
        "waitlist_entry",
        ["slot_id", "person_id"],
        unique=True,
        postgresql_where="state in ('waiting', 'offered')",
    )
    op.create_index(
        "waitlist_entry_queue_idx",
        "waitlist_entry",
        ["slot_id", "number"],
        unique=False,
        postgresql_where="state = 'waiting'",
    )
    op.create_index("waitlist_entry_reservation_id_idx", "waitlist_entry", ["reservation_id"], unique=False)


def downgrade() -> None:
    op.drop_index("waitlist_entry_reservation_id_idx", table_name="waitlist_entry")
    op.drop_index(
        "waitlist_entry_queue_idx", table_name="waitlist_entry", postgresql_where="state = 'waiting'"
    )
    op.drop_index(
        "waitlist_entry_person_key",
        table_name="waitlist_entry",
        postgresql_where="state in ('waiting', 'offered')",
    )
    op.drop_index("waitlist_entry_person_id_idx", table_name="waitlist_entry")
    op.drop_table("waitlist_entry")
    op.drop_table("standing_date")
    op.drop_index(
        "slot_seat_reservation_id_idx", table_name="slot_seat", postgresql_where="reservation_id is not null"
    )
    op.drop_table("slot_seat")
    op.drop_index("resource_span_reservation_id_idx", table_name="resource_span")
    op.drop_table("resource_span")
    op.drop_table("reservation_step")
    op.drop_index("attendance_mark_reservation_id_key", table_name="attendance_mark")
    op.drop_index("attendance_mark_person_id_idx", table_name="attendance_mark")
    op.drop_index(
        "attendance_mark_appeal_idx", table_name="attendance_mark", postgresql_where="appeal_state = 'open'"
    )
    op.drop_table("attendance_mark")
    op.drop_index("slot_warning_offering_id_idx", table_name="slot_warning")
    op.drop_table("slot_warning")
    op.drop_table("slot_need")
    op.drop_index("slot_bucket_set_aside_idx", table_name="slot_bucket", postgresql_where="set_aside > 0")
    op.drop_table("slot_bucket")
    op.drop_index("reservation_slot_id_code_key", table_name="reservation")
    op.drop_index("reservation_person_id_starts_at_idx", table_name="reservation")
    op.drop_index("reservation_live_idx", table_name="reservation", postgresql_where="state = 'confirmed'")
    op.drop_index("reservation_held_idx", table_name="reservation", postgresql_where="state = 'held'")
    op.drop_index("reservation_expires_at_idx", table_name="reservation", postgresql_where="state = 'held'")
    op.drop_index("reservation_account_id_starts_at_idx", table_name="reservation")
    op.drop_table("reservation")
    op.drop_index("allotment_return_at_idx", table_name="allotment", postgresql_where="returned_at is null")
    op.drop_table("allotment")
    op.drop_index(
        "slot_unsettled_idx", table_name="slot", postgresql_where="state = 'closed' and settled_at is null"
    )
    op.drop_index("slot_template_id_starts_at_key", table_name="slot")
    op.drop_index("slot_starts_at_idx", table_name="slot")
    op.drop_index("slot_offering_id_starts_at_idx", table_name="slot")
    op.drop_table("slot")
    op.drop_index("standing_booking_person_id_idx", table_name="standing_booking")
    op.drop_index(
        "standing_booking_offering_id_idx", table_name="standing_booking", postgresql_where="state = 'active'"
    )
    op.drop_table("standing_booking")
    op.drop_table("resource")
    op.drop_index("offering_template_offering_id_idx", table_name="offering_template")
    op.drop_table("offering_template")
    op.drop_table("seat")
    op.drop_index("person_quota_period_on_idx", table_name="person_quota")
    op.drop_table("person_quota")
    op.drop_index("person_commitment_subject_id_idx", table_name="person_commitment")
    op.drop_table("person_commitment")
    op.drop_index("offering_site_id_idx", table_name="offering")
    op.drop_index("offering_kind_idx", table_name="offering")
    op.drop_table("offering")
    op.drop_index("event_waiting_idx", table_name="event", postgresql_where="relayed_at is null")
    op.drop_index("event_relayed_at_idx", table_name="event", postgresql_where="relayed_at is not null")
    op.drop_index("event_dedupe_key", table_name="event", postgresql_where="dedupe is not null")
    op.drop_table("event")
    op.drop_index("allocation_slot_id_idx", table_name="allocation")
    op.drop_index(
        "allocation_reservation_id_idx",
        table_name="allocation",
        postgresql_where="reservation_id is not null",
    )
    op.drop_table("allocation")
