"""What sites are found by; derived from their names, addresses and categories (``geo/search/stored.py``)."""

from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base
from core.ids import new_id


class SiteSearch(Base):
    """The search terms of a site. Whoever changes a site's name, aliases, address or category writes them anew."""

    __tablename__ = "site_search"
    __table_args__ = (Index("site_search_terms_idx", "terms", postgresql_using="gin"),)

    site_id: Mapped[UUID] = mapped_column(ForeignKey("site.id", ondelete="CASCADE"), primary_key=True)
    terms: Mapped[Any] = mapped_column(TSVECTOR)


class SearchWord(Base):
    """A word of names and aliases in Latin letters (zhucandian): what a mistyped one was meant to be.

    Words are not unique, on purpose: two imports that meet the same new word would wait for each other until commit,
    or deadlock. A word outlives the last site that has it; then it finds nothing.
    """

    __tablename__ = "search_word"
    __table_args__ = (
        Index("search_word_word_idx", "word"),
        Index(
            "search_word_trigram_idx",
            "word",
            postgresql_using="gist",
            postgresql_ops={"word": "gist_trgm_ops"},
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    word: Mapped[str]
