"""Search: lexemes that say where they stand, and the words that typos are corrected to."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("site_search_latin_idx", table_name="site_search")
    op.drop_column("site_search", "latin")
    op.create_table(
        "search_word",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("word", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("search_word_pkey")),
    )
    op.create_index("search_word_word_idx", "search_word", ["word"])
    op.create_index(
        "search_word_trigram_idx",
        "search_word",
        ["word"],
        postgresql_using="gist",
        postgresql_ops={"word": "gist_trgm_ops"},
    )


def downgrade() -> None:
    op.drop_table("search_word")
    op.add_column("site_search", sa.Column("latin", sa.String(), nullable=False, server_default=""))
    op.create_index(
        "site_search_latin_idx",
        "site_search",
        ["latin"],
        postgresql_using="gin",
        postgresql_ops={"latin": "gin_trgm_ops"},
    )
