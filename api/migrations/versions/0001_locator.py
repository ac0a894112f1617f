"""Tables of the locator: sites, services, areas, school districts, calendar, search."""

import sqlalchemy as sa
from alembic import op
from geoalchemy2 import Geometry
from sqlalchemy.dialects import postgresql

from geo.models.site import Xid8

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("postgis", "pg_trgm", "btree_gist"):
        op.execute(f"create extension if not exists {name}")
    op.create_table(
        "calendar_year",
        sa.Column("region", sa.String(), nullable=False),
        sa.Column("year", sa.Integer(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("imported_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint("year between 1949 and 2200", name=op.f("calendar_year_year_check")),
        sa.PrimaryKeyConstraint("region", "year", name=op.f("calendar_year_pkey")),
    )
    op.create_table(
        "category",
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("parent_code", sa.String(), nullable=True),
        sa.Column("label_zh", sa.String(), nullable=False),
        sa.Column("label_en", sa.String(), nullable=False),
        sa.Column("icon", sa.String(), nullable=False),
        sa.Column("geometry_kind", sa.String(), nullable=False),
        sa.Column("measure", sa.String(), nullable=True),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.CheckConstraint("code ~ '^[a-z][a-z0-9_]{1,39}$'", name=op.f("category_code_check")),
        sa.CheckConstraint(
            "geometry_kind in ('point', 'line', 'polygon')", name=op.f("category_geometry_kind_check")
        ),
        sa.CheckConstraint("parent_code <> code", name=op.f("category_parent_check")),
        sa.ForeignKeyConstraint(["parent_code"], ["category.code"], name=op.f("category_parent_code_fkey")),
        sa.PrimaryKeyConstraint("code", name=op.f("category_pkey")),
    )
    op.create_index("category_parent_code_idx", "category", ["parent_code"], unique=False)
    op.create_table(
        "school_term",
        sa.Column("region", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("ends_on", sa.Date(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.CheckConstraint("kind in ('term', 'vacation')", name=op.f("school_term_kind_check")),
        sa.CheckConstraint("starts_on <= ends_on", name=op.f("school_term_dates_check")),
        sa.PrimaryKeyConstraint("region", "name", "starts_on", name=op.f("school_term_pkey")),
    )
    op.create_table(
        "site_change",
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column("xid", Xid8(), nullable=False),
        sa.PrimaryKeyConstraint("site_id", name=op.f("site_change_pkey")),
    )
    op.create_index("site_change_xid_idx", "site_change", ["xid"], unique=False)
    op.create_table(
        "source",
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("licence", sa.String(), nullable=True),
        sa.Column("attribution", sa.String(), nullable=True),
        sa.Column("url", sa.String(), nullable=True),
        sa.CheckConstraint("code ~ '^[a-z0-9][a-z0-9_.-]{0,63}$'", name=op.f("source_code_check")),
        sa.PrimaryKeyConstraint("code", name=op.f("source_pkey")),
    )
    op.create_table(
        "area",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("name_en", sa.String(), nullable=True),
        sa.Column("parent_id", sa.Uuid(), nullable=True),
        sa.Column(
            "geom",
            Geometry(
                geometry_type="MULTIPOLYGON",
                srid=4326,
                dimension=2,
                spatial_index=False,
                from_text="ST_GeomFromEWKT",
                name="geometry",
            ),
            nullable=True,
        ),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_to", sa.Date(), nullable=True),
        sa.Column("source_code", sa.String(), nullable=False),
        sa.CheckConstraint("btrim(name) <> '' and length(name) <= 100", name=op.f("area_name_check")),
        sa.CheckConstraint(
            "kind in ('district', 'township', 'centre_community', 'community')", name=op.f("area_kind_check")
        ),
        sa.CheckConstraint("st_isvalid(geom) and not st_isempty(geom)", name=op.f("area_geom_check")),
        sa.CheckConstraint("valid_from < valid_to", name=op.f("area_dates_check")),
        sa.ForeignKeyConstraint(["parent_id"], ["area.id"], name=op.f("area_parent_id_fkey")),
        sa.ForeignKeyConstraint(["source_code"], ["source.code"], name=op.f("area_source_code_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("area_pkey")),
    )
    op.create_index("area_geom_idx", "area", ["geom"], unique=False, postgresql_using="gist")
    op.create_index("area_parent_id_idx", "area", ["parent_id"], unique=False)
    op.create_table(
        "calendar_day",
        sa.Column("region", sa.String(), nullable=False),
        sa.Column("on_date", sa.Date(), nullable=False),
        sa.Column("year", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=True),
        sa.CheckConstraint(
            "kind in ('workday', 'rest_day', 'holiday', 'makeup_workday')",
            name=op.f("calendar_day_kind_check"),
        ),
        sa.CheckConstraint("extract(year from on_date) = year", name=op.f("calendar_day_year_check")),
        sa.ForeignKeyConstraint(
            ["region", "year"],
            ["calendar_year.region", "calendar_year.year"],
            name=op.f("calendar_day_region_year_fkey"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("region", "on_date", name=op.f("calendar_day_pkey")),
    )
    op.create_table(
        "import_run",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("source_code", sa.String(), nullable=False),
        sa.Column("file_name", sa.String(), nullable=False),
        sa.Column("file_sha256", sa.String(), nullable=False),
        sa.Column("mapping", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("counts", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("applied_by", sa.String(), nullable=False),
        sa.Column("applied_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["source_code"], ["source.code"], name=op.f("import_run_source_code_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("import_run_pkey")),
    )
    op.create_index("import_run_source_code_idx", "import_run", ["source_code", "applied_at"], unique=False)
    op.create_table(
        "organisation",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("name_en", sa.String(), nullable=True),
        sa.Column("operating_model", sa.String(), nullable=True),
        sa.Column("source_code", sa.String(), nullable=False),
        sa.CheckConstraint("btrim(name) <> '' and length(name) <= 200", name=op.f("organisation_name_check")),
        sa.CheckConstraint(
            "operating_model in ('public', 'public_private', 'private', 'market_canteen', 'property_canteen', 'community', 'school_open')",
            name=op.f("organisation_operating_model_check"),
        ),
        sa.ForeignKeyConstraint(["source_code"], ["source.code"], name=op.f("organisation_source_code_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("organisation_pkey")),
        sa.UniqueConstraint("source_code", "name", name=op.f("organisation_source_code_name_key")),
    )
    op.create_table(
        "school_district",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("stage", sa.String(), nullable=False),
        sa.Column(
            "geom",
            Geometry(
                geometry_type="MULTIPOLYGON",
                srid=4326,
                dimension=2,
                spatial_index=False,
                from_text="ST_GeomFromEWKT",
                name="geometry",
                nullable=False,
            ),
            nullable=False,
        ),
        sa.Column("effective_from", sa.Date(), nullable=False),
        sa.Column("effective_to", sa.Date(), nullable=True),
        sa.Column("note", sa.String(), nullable=True),
        sa.Column("source_code", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.CheckConstraint(
            "btrim(name) <> '' and length(name) <= 100", name=op.f("school_district_name_check")
        ),
        sa.CheckConstraint(
            "stage in ('kindergarten', 'primary', 'junior', 'senior')",
            name=op.f("school_district_stage_check"),
        ),
        sa.CheckConstraint("effective_from < effective_to", name=op.f("school_district_dates_check")),
        sa.CheckConstraint(
            "st_isvalid(geom) and not st_isempty(geom)", name=op.f("school_district_geom_check")
        ),
        sa.CheckConstraint("version >= 1", name=op.f("school_district_version_check")),
        sa.ForeignKeyConstraint(
            ["source_code"], ["source.code"], name=op.f("school_district_source_code_fkey")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("school_district_pkey")),
    )
    op.create_index(
        "school_district_geom_idx", "school_district", ["geom"], unique=False, postgresql_using="gist"
    )
    op.create_table(
        "school_group",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("source_code", sa.String(), nullable=False),
        sa.CheckConstraint("btrim(name) <> '' and length(name) <= 100", name=op.f("school_group_name_check")),
        sa.CheckConstraint(
            "kind in ('group', 'alliance', 'urban_rural')", name=op.f("school_group_kind_check")
        ),
        sa.ForeignKeyConstraint(["source_code"], ["source.code"], name=op.f("school_group_source_code_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("school_group_pkey")),
    )
    op.create_table(
        "area_code",
        sa.Column("area_id", sa.Uuid(), nullable=False),
        sa.Column("system", sa.String(), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("valid_to", sa.Date(), nullable=True),
        postgresql.ExcludeConstraint(
            (sa.column("system"), "="),
            (sa.column("code"), "="),
            (sa.text("daterange(valid_from, valid_to)"), "&&"),
            using="gist",
            name="area_code_one_area_a_day_excl",
        ),
        sa.CheckConstraint("code ~ '^[0-9A-Za-z-]{2,20}$'", name=op.f("area_code_code_check")),
        sa.CheckConstraint("system ~ '^[a-z][a-z0-9_]{1,19}$'", name=op.f("area_code_system_check")),
        sa.CheckConstraint("valid_from < valid_to", name=op.f("area_code_dates_check")),
        sa.ForeignKeyConstraint(
            ["area_id"], ["area.id"], name=op.f("area_code_area_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("area_id", "system", "valid_from", name=op.f("area_code_pkey")),
    )
    op.create_table(
        "site",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("category_code", sa.String(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=True),
        sa.Column("area_id", sa.Uuid(), nullable=True),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("name_en", sa.String(), nullable=True),
        sa.Column("aliases", postgresql.ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.Column("address", sa.String(), nullable=True),
        sa.Column("description", sa.String(), nullable=True),
        sa.Column("url", sa.String(), nullable=True),
        sa.Column(
            "geom",
            Geometry(
                srid=4326,
                dimension=2,
                spatial_index=False,
                from_text="ST_GeomFromEWKT",
                name="geometry",
                nullable=False,
            ),
            nullable=False,
        ),
        sa.Column("status", sa.String(), server_default="active", nullable=False),
        sa.Column("alert", sa.String(), nullable=True),
        sa.Column("hours", sa.String(), nullable=True),
        sa.Column("makeup_hours", sa.String(), nullable=True),
        sa.Column("zone", sa.String(), server_default="Asia/Shanghai", nullable=False),
        sa.Column("features", postgresql.ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.Column("accessibility", postgresql.ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.Column("languages", postgresql.ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.Column("batch", sa.String(), nullable=True),
        sa.Column("plaque_number", sa.String(), nullable=True),
        sa.Column("funding", postgresql.ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.Column("source_code", sa.String(), nullable=False),
        sa.Column("external_id", sa.String(), nullable=False),
        sa.Column("import_digest", sa.LargeBinary(), nullable=True),
        sa.Column("assured_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("published_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("updated_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint("btrim(hours) <> '' and length(hours) <= 500", name=op.f("site_hours_check")),
        sa.CheckConstraint(
            "btrim(makeup_hours) <> '' and length(makeup_hours) <= 200", name=op.f("site_makeup_hours_check")
        ),
        sa.CheckConstraint("btrim(name) <> '' and length(name) <= 200", name=op.f("site_name_check")),
        sa.CheckConstraint(
            "geometrytype(geom) in ('POINT', 'LINESTRING', 'MULTILINESTRING', 'POLYGON', 'MULTIPOLYGON') and not st_isempty(geom) and st_isvalid(geom)",
            name=op.f("site_geom_check"),
        ),
        sa.CheckConstraint(
            "status in ('active', 'temporarily_closed', 'inactive')", name=op.f("site_status_check")
        ),
        sa.CheckConstraint(
            "cardinality(accessibility) <= 20 and array_position(accessibility, null) is null",
            name=op.f("site_accessibility_check"),
        ),
        sa.CheckConstraint(
            "cardinality(aliases) <= 20 and array_position(aliases, null) is null",
            name=op.f("site_aliases_check"),
        ),
        sa.CheckConstraint(
            "cardinality(features) <= 40 and array_position(features, null) is null",
            name=op.f("site_features_check"),
        ),
        sa.CheckConstraint(
            "cardinality(funding) <= 10 and array_position(funding, null) is null",
            name=op.f("site_funding_check"),
        ),
        sa.CheckConstraint(
            "cardinality(languages) <= 20 and array_position(languages, null) is null",
            name=op.f("site_languages_check"),
        ),
        sa.CheckConstraint(
            "st_xmin(geom) >= -180 and st_xmax(geom) <= 180 and st_ymin(geom) >= -90 and st_ymax(geom) <= 90",
            name=op.f("site_geom_range_check"),
        ),
        sa.CheckConstraint("version >= 1", name=op.f("site_version_check")),
        sa.ForeignKeyConstraint(["area_id"], ["area.id"], name=op.f("site_area_id_fkey")),
        sa.ForeignKeyConstraint(["category_code"], ["category.code"], name=op.f("site_category_code_fkey")),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisation.id"], name=op.f("site_organisation_id_fkey")
        ),
        sa.ForeignKeyConstraint(["source_code"], ["source.code"], name=op.f("site_source_code_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("site_pkey")),
        sa.UniqueConstraint("source_code", "external_id", name=op.f("site_source_code_external_id_key")),
    )
    op.create_index("site_area_id_idx", "site", ["area_id", "id"], unique=False)
    op.create_index("site_category_code_idx", "site", ["category_code", "id"], unique=False)
    op.create_index(
        "site_geog_idx",
        "site",
        [sa.literal_column("(geom::geography)")],
        unique=False,
        postgresql_using="gist",
    )
    op.create_index("site_geom_idx", "site", ["geom"], unique=False, postgresql_using="gist")
    op.create_index("site_organisation_id_idx", "site", ["organisation_id"], unique=False)
    op.create_index("site_updated_at_idx", "site", ["updated_at", "id"], unique=False)
    op.create_table(
        "district_school",
        sa.Column("district_id", sa.Uuid(), nullable=False),
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["district_id"],
            ["school_district.id"],
            name=op.f("district_school_district_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("district_school_site_id_fkey")),
        sa.PrimaryKeyConstraint("district_id", "site_id", name=op.f("district_school_pkey")),
    )
    op.create_index("district_school_site_id_idx", "district_school", ["site_id"], unique=False)
    op.create_table(
        "hours_exception",
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column("on_date", sa.Date(), nullable=False),
        sa.Column("hours", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.CheckConstraint(
            "btrim(hours) <> '' and length(hours) <= 200", name=op.f("hours_exception_hours_check")
        ),
        sa.CheckConstraint(
            "btrim(reason) <> '' and length(reason) <= 200", name=op.f("hours_exception_reason_check")
        ),
        sa.ForeignKeyConstraint(
            ["site_id"], ["site.id"], name=op.f("hours_exception_site_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("site_id", "on_date", name=op.f("hours_exception_pkey")),
    )
    op.create_table(
        "phone",
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("number", sa.String(), nullable=False),
        sa.Column("extension", sa.String(), nullable=True),
        sa.Column("label", sa.String(), nullable=True),
        sa.CheckConstraint("number ~ '^[0-9+*#() -]{3,32}$'", name=op.f("phone_number_check")),
        sa.CheckConstraint("position >= 0", name=op.f("phone_position_check")),
        sa.ForeignKeyConstraint(
            ["site_id"], ["site.id"], name=op.f("phone_site_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("site_id", "position", name=op.f("phone_pkey")),
    )
    op.create_table(
        "school_group_member",
        sa.Column("group_id", sa.Uuid(), nullable=False),
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column("effective_from", sa.Date(), nullable=False),
        sa.Column("effective_to", sa.Date(), nullable=True),
        sa.Column("leads", sa.Boolean(), server_default="false", nullable=False),
        sa.CheckConstraint("effective_from < effective_to", name=op.f("school_group_member_dates_check")),
        sa.ForeignKeyConstraint(
            ["group_id"],
            ["school_group.id"],
            name=op.f("school_group_member_group_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("school_group_member_site_id_fkey")),
        sa.PrimaryKeyConstraint(
            "group_id", "site_id", "effective_from", name=op.f("school_group_member_pkey")
        ),
    )
    op.create_index("school_group_member_site_id_idx", "school_group_member", ["site_id"], unique=False)
    op.create_table(
        "service",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("name_en", sa.String(), nullable=True),
        sa.Column("description", sa.String(), nullable=True),
        sa.Column("minimum_age", sa.Integer(), nullable=True),
        sa.Column("maximum_age", sa.Integer(), nullable=True),
        sa.Column("eligibility", sa.String(), nullable=True),
        sa.CheckConstraint("btrim(name) <> '' and length(name) <= 200", name=op.f("service_name_check")),
        sa.CheckConstraint("maximum_age between 0 and 150", name=op.f("service_maximum_age_check")),
        sa.CheckConstraint("minimum_age <= maximum_age", name=op.f("service_ages_check")),
        sa.CheckConstraint("minimum_age between 0 and 150", name=op.f("service_minimum_age_check")),
        sa.ForeignKeyConstraint(
            ["site_id"], ["site.id"], name=op.f("service_site_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("service_pkey")),
    )
    op.create_index("service_site_id_idx", "service", ["site_id", "position"], unique=False)
    op.create_table(
        "site_external_id",
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column("scheme", sa.String(), nullable=False),
        sa.Column("value", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["site_id"], ["site.id"], name=op.f("site_external_id_site_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("site_id", "scheme", name=op.f("site_external_id_pkey")),
    )
    op.create_index("site_external_id_value_idx", "site_external_id", ["scheme", "value"], unique=False)
    op.create_table(
        "site_search",
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column("terms", postgresql.TSVECTOR(), nullable=False),
        sa.Column("latin", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["site_id"], ["site.id"], name=op.f("site_search_site_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("site_id", name=op.f("site_search_pkey")),
    )
    op.create_index(
        "site_search_latin_idx",
        "site_search",
        ["latin"],
        unique=False,
        postgresql_using="gin",
        postgresql_ops={"latin": "gin_trgm_ops"},
    )
    op.create_index("site_search_terms_idx", "site_search", ["terms"], unique=False, postgresql_using="gin")
    op.create_table(
        "cost_option",
        sa.Column("service_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("label", sa.String(), nullable=False),
        sa.Column("amount_fen", sa.Integer(), nullable=True),
        sa.Column("unit", sa.String(), nullable=True),
        sa.CheckConstraint("amount_fen >= 0", name=op.f("cost_option_amount_fen_check")),
        sa.ForeignKeyConstraint(
            ["service_id"], ["service.id"], name=op.f("cost_option_service_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("service_id", "position", name=op.f("cost_option_pkey")),
    )
    op.create_table(
        "required_document",
        sa.Column("service_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("note", sa.String(), nullable=True),
        sa.CheckConstraint("btrim(name) <> ''", name=op.f("required_document_name_check")),
        sa.ForeignKeyConstraint(
            ["service_id"], ["service.id"], name=op.f("required_document_service_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("service_id", "position", name=op.f("required_document_pkey")),
    )


def downgrade() -> None:
    raise RuntimeError("the first migration has nothing to go back to: drop the database instead")
