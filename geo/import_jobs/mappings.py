"""Mappings of uploaded files: as YAML, with the options of an upload written into them, and saved by source."""

from collections.abc import Mapping as Options
from datetime import datetime
from typing import Any

import yaml
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from core.actor import Actor
from geo.imports.mapping import Mapping, parse_mapping, parse_yaml
from geo.models import SavedMapping

NAME = "mapping"


def read_mapping(text: str) -> Mapping:
    """The mapping that ``text`` holds. Raises ImportRefused naming each mistake."""
    return parse_mapping(parse_yaml(text.encode(), NAME), NAME)


def with_options(text: str, options: Options[str, Any]) -> str:
    """``text`` with what an upload said besides: crs, encoding, layer, within. Unchanged, with its comments, without any.

    Raises ImportRefused when it is no mapping.
    """
    said = {name: value for name, value in options.items() if value is not None and name != "source"}
    if not said:
        return text
    content = parse_yaml(text.encode(), NAME)
    parse_mapping(content, NAME)
    encoding = said.pop("encoding", None)
    if encoding is not None:
        content["table"] = {**(content.get("table") or {}), "encoding": encoding}
    return yaml.safe_dump(content | said, allow_unicode=True, sort_keys=False, width=120)


async def find_saved(session: AsyncSession, *, source_code: str) -> str | None:
    """The mapping that the source's last file was imported with."""
    saved = await session.get(SavedMapping, source_code)
    return None if saved is None else saved.mapping


async def save_mapping(
    session: AsyncSession, actor: Actor, *, source_code: str, mapping: str, now: datetime
) -> None:
    """Keep ``mapping`` for the next file of the source."""
    said = {"mapping": mapping, "saved_at": now, "saved_by": actor.name}
    await session.execute(
        insert(SavedMapping)
        .values(source_code=source_code, **said)
        .on_conflict_do_update(index_elements=["source_code"], set_=said)
    )
