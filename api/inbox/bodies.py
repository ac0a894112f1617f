"""What an inbox keeps of an event."""

from datetime import datetime
from functools import partial

import orjson

from api.inbox.facts import About


def body_of(about: About, *, to_person: bool) -> bytes:
    """What is said and what it is about, as JSON."""
    said = about.said(to_person=to_person)
    here = partial(datetime.astimezone, tz=about.zone)
    return orjson.dumps(
        {
            "title_zh": said.title_zh,
            "title_en": said.title_en,
            "text_zh": said.text_zh,
            "text_en": said.text_en,
            "to_self": to_person,
            "person": about.masked if about.event.person_id is not None else None,
            "site": None if about.site is None else {"id": about.site.id, "name": about.site.name},
            "starts_at": about.starts_at and here(about.starts_at),
            "ends_at": about.ends_at and here(about.ends_at),
            "data": about.event.data,
        }
    )
