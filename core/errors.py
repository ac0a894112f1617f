"""Errors a caller can act on.

A domain error has a *kind*, which ``api/problems.py`` alone turns into an HTTP status, and a stable ``code``.
Each package lists its own in ``errors.py``: class -> code, docstring = English title, ``title_zh`` = Chinese title.
"""

from collections.abc import Mapping
from typing import Any, ClassVar


class DomainError(Exception):
    """Something the caller asked for cannot be done; says what to do instead.

    ``detail_zh`` and ``detail_en`` address the caller; ``fields`` are extension members of the problem. Of these
    ``errors`` is a list of ``{"field", "reason"}``: the field of what was sent, ``/`` between levels, and what is wrong.
    """

    code: ClassVar[str]
    title_zh: ClassVar[str]

    def __init__(self, detail_zh: str = "", detail_en: str = "", **fields: Any) -> None:
        super().__init__(detail_en or detail_zh or type(self).__doc__)
        self.detail_zh = detail_zh
        self.detail_en = detail_en
        self.fields: Mapping[str, Any] = fields

    @classmethod
    def title_en(cls) -> str:
        return (cls.__doc__ or cls.__name__).strip().splitlines()[0].rstrip(".")


class NotFound(DomainError):
    """Kind: there is no such thing, or the caller may not know of it."""


class Unauthenticated(DomainError):
    """Kind: the caller has not shown who they are, or no longer can."""


class Forbidden(DomainError):
    """Kind: the caller may not do this."""


class Conflict(DomainError):
    """Kind: the present state does not allow it."""


class Outdated(DomainError):
    """Kind: the caller edits a version that is no longer the present one."""


class Invalid(DomainError):
    """Kind: the input cannot be understood or breaks a rule."""


class Gone(DomainError):
    """Kind: it was there and is no more."""


class TooMany(DomainError):
    """Kind: too often or too much; try later."""


class Unavailable(DomainError):
    """Kind: something we depend on is away, and going on without it would not be safe."""


class InvalidCursor(NotFound):
    """There is no such page."""

    code = "invalid-cursor"
    title_zh = "没有这一页"
