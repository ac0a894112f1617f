"""Encryption of single fields, look-up of encrypted values, and keys that are replaced while the service runs.

A ring holds several keys; the first one encrypts, all of them decrypt. Every value says which key made it. Two suites:
``aes`` (AES-256-GCM, HMAC-SHA256) and ``gm`` (SM4-GCM, HMAC-SM3; 国密, GM/T 0002 and GM/T 0004). Keys come from the
operator (``load_key_ring``) and are never kept in the database.

A model declares each encrypted column, so that ``core/rotation.py`` finds it: the field's name for the ring, and the
column with the blind index of the same text, if there is one. The table's primary key is a UUID named ``id``::

    phone: Mapped[bytes] = mapped_column(
        LargeBinary, info={"encrypted": "person.phone", "blind": "phone_blind"}
    )
"""

import hmac
import os
import re
import subprocess
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from core.settings import Settings

Suite = Literal["aes", "gm"]
SECRET_BYTES = 32
NONCE_BYTES = 12
TAG_BYTES = 16
COMMAND_SECONDS = 30
_KEY_ID = re.compile(r"[a-z0-9]{1,16}")
_LINE = re.compile(r"(?P<id>[a-z0-9]{1,16}):(?P<suite>aes|gm):(?P<secret>[A-Za-z0-9+/=]+)\Z")


class KeyRingError(Exception):
    """Keys that cannot be used, or a value that no key of the ring opens; says what to do."""


@dataclass(frozen=True)
class Key:
    """``secret`` is 32 random bytes; the keys that encrypt, index and sign are derived from it, one for each use."""

    id: str
    suite: Suite
    secret: bytes

    def __repr__(self) -> str:
        return f"Key({self.id}, {self.suite})"

    @classmethod
    def create(cls, key_id: str, suite: Suite) -> "Key":
        """A new random key."""
        return cls(key_id, suite, os.urandom(SECRET_BYTES))

    def line(self) -> str:
        """The key as operators keep it: ``id:suite:base64``."""
        return f"{self.id}:{self.suite}:{b64encode(self.secret).decode()}"

    def derive(self, purpose: str, length: int = 32) -> bytes:
        """A key for one purpose (HKDF, RFC 5869)."""
        algorithm = hashes.SHA256() if self.suite == "aes" else hashes.SM3()
        return HKDF(algorithm, length, salt=None, info=f"xinban/{purpose}".encode()).derive(self.secret)

    @cached_property
    def _aes(self) -> AESGCM:
        return AESGCM(self.derive("encrypt"))

    @cached_property
    def _sm4(self) -> algorithms.SM4:
        return algorithms.SM4(self.derive("encrypt", 16))

    @cached_property
    def _index_key(self) -> bytes:
        return self.derive("index")

    def seal(self, plain: bytes, bound_to: bytes) -> bytes:
        """Nonce, ciphertext and tag."""
        nonce = os.urandom(NONCE_BYTES)
        if self.suite == "aes":
            return nonce + self._aes.encrypt(nonce, plain, bound_to)
        encryptor = Cipher(self._sm4, modes.GCM(nonce)).encryptor()
        encryptor.authenticate_additional_data(bound_to)
        return nonce + encryptor.update(plain) + encryptor.finalize() + encryptor.tag

    def open(self, sealed: bytes, bound_to: bytes) -> bytes:
        """Raises InvalidTag when it was altered, is bound to something else, or another key made it."""
        nonce, body = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
        if len(body) < TAG_BYTES:
            raise InvalidTag
        if self.suite == "aes":
            return self._aes.decrypt(nonce, body, bound_to)
        decryptor = Cipher(self._sm4, modes.GCM(nonce, body[-TAG_BYTES:])).decryptor()
        decryptor.authenticate_additional_data(bound_to)
        return decryptor.update(body[:-TAG_BYTES]) + decryptor.finalize()

    def blind(self, field: str, text: str) -> bytes:
        """A keyed digest of ``text``: equal texts of a field are found, and nothing else is learnt."""
        said = f"{field}\0{text}".encode()
        if self.suite == "aes":
            return hmac.digest(self._index_key, said, "sha256")
        mac = HMAC(self._index_key, hashes.SM3())
        mac.update(said)
        return mac.finalize()


class KeyRing:
    """Keys, the current one first. A value is the key's id, a zero byte, then what the key sealed.

    ``field`` names table and column (``person.name``) and ``row`` the row; a value moved elsewhere does not open.
    """

    def __init__(self, keys: Sequence[Key]) -> None:
        if not keys:
            raise KeyRingError("a key ring needs a key; `xinban keys create` makes one")
        self.keys = {key.id: key for key in keys}
        if len(self.keys) != len(keys):
            raise KeyRingError("two keys of the ring have the same id; ids are never used again")
        self.current = keys[0]

    @classmethod
    def parse(cls, text: str) -> "KeyRing":
        """Lines (or words, or parts between commas) ``id:suite:base64 of 32 bytes``; ``#`` begins a comment.

        Raises KeyRingError, which never quotes a secret.
        """
        words = re.split(r"[\s,]+", re.sub(r"#.*", "", text))
        return cls([_parse_key(number, word) for number, word in enumerate(filter(None, words), 1)])

    def encrypt(self, field: str, row: UUID, text: str) -> bytes:
        """``text`` under the current key."""
        key = self.current
        return key.id.encode() + b"\0" + key.seal(text.encode(), _bound_to(field, row))

    def decrypt(self, field: str, row: UUID, value: bytes) -> str:
        """The text inside ``value``. Raises KeyRingError: the key is not in the ring, or the value was altered or moved."""
        key_id = self.key_id(value)
        key = self.keys.get(key_id)
        if key is None:
            if not _KEY_ID.fullmatch(key_id):
                # Plain by mistake, perhaps: never quoted, since errors end in logs.
                raise KeyRingError(f"a value of {field} is not encrypted by a ring")
            raise KeyRingError(f"the key {key_id!r} is not in the ring; add it behind the current one")
        try:
            return key.open(value[len(key_id) + 1 :], _bound_to(field, row)).decode()
        except InvalidTag as error:
            raise KeyRingError(
                f"a value of {field} does not open: it was altered, or moved from another row"
            ) from error

    @staticmethod
    def key_id(value: bytes) -> str:
        """Which key made ``value``; empty when none did."""
        key_id, zero, _ = bytes(value).partition(b"\0")
        return key_id.decode("ascii", "replace") if zero else ""

    def blind(self, field: str, text: str) -> bytes:
        """The index value to store, under the current key."""
        return self.current.blind(field, text)

    def lock_number(self, field: str, text: str) -> int:
        """What to lock on for ``text``: the same in all processes, also while their current keys differ."""
        return int.from_bytes(min(self.blinds(f"{field}.lock", text))[:8], signed=True)

    def blinds(self, field: str, text: str) -> list[bytes]:
        """Index values to look for: under each key, since rows are re-encrypted bit by bit."""
        return [key.blind(field, text) for key in self.keys.values()]


def load_key_ring(settings: Settings) -> KeyRing:
    """The operator's ring: from ``keys``, else the file ``keys_file``, else what ``keys_command`` prints.

    The command is the door to a key management service: any program that fetches or unwraps the keys there. Raises
    KeyRingError.
    """
    if settings.keys is not None:
        return KeyRing.parse(settings.keys.get_secret_value())
    if settings.keys_file is not None:
        try:
            return KeyRing.parse(Path(settings.keys_file).read_text())
        except OSError as error:
            raise KeyRingError(
                f"XINBAN_KEYS_FILE cannot be read: {error.strerror}: {settings.keys_file}"
            ) from error
    if settings.keys_command is not None:
        return KeyRing.parse(_run(settings.keys_command))
    raise KeyRingError(
        "no keys: set XINBAN_KEYS_FILE to a file that `xinban keys create FILE` made, or XINBAN_KEYS, or XINBAN_KEYS_COMMAND"
    )


def _run(command: str) -> str:
    try:
        done = subprocess.run(  # noqa: S602  # the operator's own command line, as PostgreSQL's ssl_passphrase_command
            command, shell=True, capture_output=True, timeout=COMMAND_SECONDS, check=True, text=True
        )
    except subprocess.TimeoutExpired as error:
        raise KeyRingError(f"XINBAN_KEYS_COMMAND did not end within {COMMAND_SECONDS} s") from error
    except subprocess.CalledProcessError as error:
        raise KeyRingError(
            f"XINBAN_KEYS_COMMAND ended with status {error.returncode}; run it by hand"
        ) from error
    return done.stdout


def _parse_key(number: int, word: str) -> Key:
    match = _LINE.match(word)
    try:
        secret = b64decode(match["secret"], validate=True) if match else b""
    except ValueError:
        secret = b""
    if match is None or len(secret) != SECRET_BYTES:
        raise KeyRingError(
            f"key {number} of the ring is not id:suite:base64 of {SECRET_BYTES} bytes (suite aes or gm)"
        )
    return Key(match["id"], "aes" if match["suite"] == "aes" else "gm", secret)


def _bound_to(field: str, row: UUID) -> bytes:
    return field.encode() + b"\0" + row.bytes
