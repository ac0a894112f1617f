"""Uploaded files, what was found in them, and what imports replaced."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "saved_mapping",
        sa.Column("source_code", sa.String(), nullable=False),
        sa.Column("mapping", sa.String(), nullable=False),
        sa.Column("saved_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("saved_by", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("source_code", name=op.f("saved_mapping_pkey")),
    )
    op.create_table(
        "import_job",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.String(), server_default="uploaded", nullable=False),
        sa.Column("file_name", sa.String(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("options", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("source_code", sa.String(), nullable=True),
        sa.Column("mapping", sa.String(), nullable=True),
        sa.Column("mapping_origin", sa.String(), nullable=True),
        sa.Column("counts", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("fingerprint", sa.String(), nullable=True),
        sa.Column("skip_rejected", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("message_zh", sa.String(), nullable=True),
        sa.Column("message_en", sa.String(), nullable=True),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("queued_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("checked_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("applied_by", sa.String(), nullable=True),
        sa.Column("applied_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("run_id", sa.Uuid(), nullable=True),
        sa.Column("undone_by", sa.String(), nullable=True),
        sa.Column("undone_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("undo_reason", sa.String(), nullable=True),
        sa.Column("replaced", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("content_removed_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.CheckConstraint(
            "mapping_origin in ('given', 'saved', 'guessed')", name=op.f("import_job_mapping_origin_check")
        ),
        sa.CheckConstraint(
            "state in ('uploaded', 'checking', 'checked', 'refused', 'applying', 'applied', 'undoing', 'undone', 'failed')",
            name=op.f("import_job_state_check"),
        ),
        sa.CheckConstraint(
            "(mapping is null) = (mapping_origin is null)", name=op.f("import_job_mapping_check")
        ),
        sa.CheckConstraint("length(undo_reason) <= 500", name=op.f("import_job_undo_reason_check")),
        sa.ForeignKeyConstraint(["run_id"], ["import_run.id"], name=op.f("import_job_run_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("import_job_pkey")),
    )
    op.create_index(
        "import_job_content_idx",
        "import_job",
        ["created_at"],
        unique=False,
        postgresql_where="content_removed_at is null",
    )
    op.create_index("import_job_source_code_idx", "import_job", ["source_code", "id"], unique=False)
    op.create_table(
        "import_chunk",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["job_id"], ["import_job.id"], name=op.f("import_chunk_job_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("import_chunk_pkey")),
        sa.UniqueConstraint("job_id", "position", name=op.f("import_chunk_job_id_position_key")),
    )
    op.create_table(
        "import_page",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("outcomes", sa.String(), nullable=False),
        sa.Column("lines", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["job_id"], ["import_job.id"], name=op.f("import_page_job_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("import_page_pkey")),
        sa.UniqueConstraint("job_id", "position", name=op.f("import_page_job_id_position_key")),
    )
    op.create_table(
        "import_progress",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("started_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("updated_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("rows_read", sa.Integer(), server_default="0", nullable=False),
        sa.Column("rows_total", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["job_id"], ["import_job.id"], name=op.f("import_progress_job_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("job_id", name=op.f("import_progress_pkey")),
    )
    op.create_table(
        "imported_site",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=True),
        sa.Column("before", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.ForeignKeyConstraint(
            ["job_id"], ["import_job.id"], name=op.f("imported_site_job_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("job_id", "site_id", name=op.f("imported_site_pkey")),
    )
    op.create_index("imported_site_site_id_idx", "imported_site", ["site_id"], unique=False)
    op.add_column("import_run", sa.Column("undone_by", sa.String(), nullable=True))
    op.add_column("import_run", sa.Column("undone_at", postgresql.TIMESTAMP(timezone=True), nullable=True))
    # What is encrypted does not shrink: PostgreSQL need not try.
    op.execute("alter table import_chunk alter column data set storage external")
    op.execute("alter table import_page alter column lines set storage external")


def downgrade() -> None:
    op.drop_column("import_run", "undone_at")
    op.drop_column("import_run", "undone_by")
    op.drop_index("imported_site_site_id_idx", table_name="imported_site")
    op.drop_table("imported_site")
    op.drop_table("import_progress")
    op.drop_table("import_page")
    op.drop_table("import_chunk")
    op.drop_index("import_job_source_code_idx", table_name="import_job")
    op.drop_index(
        "import_job_content_idx", table_name="import_job", postgresql_where="content_removed_at is null"
    )
    op.drop_table("import_job")
    op.drop_table("saved_mapping")
