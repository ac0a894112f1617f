"""Large values under the key ring: compressed, then encrypted as the text that rings keep."""

import zlib
from base64 import b64decode, b64encode
from uuid import UUID

from core.keyring import KeyRing

LEVEL = 1  # tables shrink to a fifth at 100 MB/s; higher levels take several times as long for little


def seal(ring: KeyRing, field: str, row: UUID, data: bytes) -> bytes:
    """``data`` as stored in ``field`` of ``row``."""
    return ring.encrypt(field, row, b64encode(zlib.compress(data, LEVEL)).decode("ascii"))


def unseal(ring: KeyRing, field: str, row: UUID, value: bytes) -> bytes:
    """What was sealed. Raises KeyRingError."""
    return zlib.decompress(b64decode(ring.decrypt(field, row, value)))
