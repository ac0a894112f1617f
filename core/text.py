"""Text from outside: no NUL (PostgreSQL refuses it), no lone surrogates (UTF-8 cannot carry them)."""

import re
from typing import Annotated

from pydantic import AfterValidator

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def check_storable(text: str) -> str:
    """Return ``text`` unchanged. Raises ValueError when the database could not keep it."""
    if _UNSTORABLE.search(text):
        raise ValueError(
            "含有无法保存的字符 / contains a character that cannot be stored (NUL or a lone surrogate)"
        )
    return text


Text = Annotated[str, AfterValidator(check_storable)]
