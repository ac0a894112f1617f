"""Uploaded files in the database, in pieces: the worker may be on another machine than the server that took them."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from core.database import driver_connection
from core.ids import new_id
from core.keyring import KeyRing
from geo.import_jobs.sealed import seal, unseal

PIECE_BYTES = 1 << 20
FIELD = "import_chunk.data"


@dataclass(frozen=True, slots=True)
class Received:
    """A file as it came in: where it is for now, what its sender calls it, and its hex digest."""

    path: Path
    name: str
    size_bytes: int
    sha256: str


async def store_file(session: AsyncSession, ring: KeyRing, *, job_id: UUID, path: Path) -> None:
    """Keep the file at ``path`` as that of ``job_id``; a piece at a time is in memory."""
    connection = await driver_connection(session)
    with path.open("rb") as file:
        async with connection.cursor().copy(
            "copy import_chunk (id, job_id, position, data) from stdin"
        ) as copy:
            position = 0
            while piece := await asyncio.to_thread(file.read, PIECE_BYTES):
                chunk_id = new_id()
                data = await asyncio.to_thread(seal, ring, FIELD, chunk_id, piece)
                await copy.write_row((chunk_id, job_id, position, data))
                position += 1


async def fetch_file(session: AsyncSession, ring: KeyRing, *, job_id: UUID, path: Path) -> bool:
    """Write the file of ``job_id`` to ``path``; False when it is no longer kept."""
    connection = await driver_connection(session)
    position = 0
    with path.open("wb") as file:
        # By import_chunk_job_id_position_key, one piece a query: a cursor would keep a snapshot as long as we write.
        while True:
            found = await connection.execute(
                "select id, data from import_chunk where job_id = %s and position = %s", (job_id, position)
            )
            row = await found.fetchone()
            if row is None:
                return position > 0
            file.write(await asyncio.to_thread(unseal, ring, FIELD, row[0], row[1]))
            position += 1
