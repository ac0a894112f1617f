"""Who runs sites, written beside them."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection

from core.ids import new_id
from geo.sites.input import OperatorIn


async def put_operators(
    connection: AsyncConnection[Any], source_code: str, operators: Iterable[OperatorIn]
) -> dict[str, UUID]:
    """Ids by name, in ``source_code``; one that is there is brought up to date, at all of its sites."""
    by_name = {operator.name: operator for operator in operators}
    if not by_name:
        return {}
    cursor = await connection.execute(
        "insert into organisation (id, source_code, name, name_en, operating_model)"
        " select * from unnest(%s::uuid[], %s::text[], %s::text[], %s::text[], %s::text[])"
        " on conflict (source_code, name) do update"
        " set name_en = excluded.name_en, operating_model = excluded.operating_model returning name, id",
        (
            [new_id() for _ in by_name],
            [source_code for _ in by_name],
            list(by_name),
            [operator.name_en for operator in by_name.values()],
            [operator.operating_model for operator in by_name.values()],
        ),
    )
    return dict(await cursor.fetchall())
