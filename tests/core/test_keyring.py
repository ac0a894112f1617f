"""Keys of encrypted fields: what opens what, and what an altered, moved or foreign value does."""

import os
import stat
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from cryptography.exceptions import InvalidTag

from core.keyfile import add_key, create_key_file, new_key, put_key_first, read_key_file
from core.keyring import Key, KeyRing, KeyRingError, load_key_ring
from core.settings import Settings
from tests.conftest import TEST_RING

NOW = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)
PHONE = "+8613800138000"
SUITES = ["aes", "gm"]


def ring_of(suite: str) -> KeyRing:
    return KeyRing([Key.create("k", suite)])


@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("text", ["", "张", "王小明", PHONE, "🀄" * 500])
def test_what_was_encrypted_comes_back(suite, text):
    ring, row = ring_of(suite), uuid4()
    value = ring.encrypt("person.name", row, text)
    assert ring.decrypt("person.name", row, value) == text
    assert text == "" or text.encode() not in value


@pytest.mark.parametrize("suite", SUITES)
def test_the_same_text_is_never_encrypted_to_the_same_value(suite):
    ring, row = ring_of(suite), uuid4()
    assert len({ring.encrypt("person.name", row, "张三") for _ in range(100)}) == 100


@pytest.mark.parametrize("suite", SUITES)
def test_a_value_moved_to_another_row_or_field_does_not_open(suite):
    ring, row = ring_of(suite), uuid4()
    value = ring.encrypt("person.name", row, "张三")
    for field, other in (("person.name", uuid4()), ("person.phone", row)):
        with pytest.raises(KeyRingError, match="altered, or moved"):
            ring.decrypt(field, other, value)


@pytest.mark.parametrize("suite", SUITES)
def test_no_bit_of_a_value_can_be_changed(suite):
    ring, row = ring_of(suite), uuid4()
    value = ring.encrypt("person.name", row, "张三")
    for place in range(2, len(value)):  # behind the key's id
        altered = bytearray(value)
        altered[place] ^= 1
        with pytest.raises(KeyRingError):
            ring.decrypt("person.name", row, bytes(altered))
    for length in range(len(value)):
        with pytest.raises(KeyRingError):
            ring.decrypt("person.name", row, value[:length])


@pytest.mark.parametrize("suite", SUITES)
def test_a_key_of_the_same_id_but_another_secret_opens_nothing(suite):
    row = uuid4()
    value = ring_of(suite).encrypt("person.name", row, "张三")
    with pytest.raises(KeyRingError):
        ring_of(suite).decrypt("person.name", row, value)


def test_old_keys_open_and_find_what_they_made_and_the_first_one_makes_what_is_new():
    old, new, row = Key.create("old", "aes"), Key.create("new", "gm"), uuid4()
    before, after = KeyRing([old]), KeyRing([new, old])
    value, blind = before.encrypt("person.phone", row, PHONE), before.blind("person.phone", PHONE)
    assert after.decrypt("person.phone", row, value) == PHONE
    assert blind in after.blinds("person.phone", PHONE)
    assert KeyRing.key_id(after.encrypt("person.phone", row, PHONE)) == "new"
    assert after.blind("person.phone", PHONE) != blind


def test_a_ring_without_the_key_says_which_one_is_missing():
    old, row = KeyRing([Key.create("old", "aes")]), uuid4()
    with pytest.raises(KeyRingError, match="'old' is not in the ring"):
        ring_of("aes").decrypt("person.name", row, old.encrypt("person.name", row, "张三"))


def test_a_blind_index_tells_fields_and_keys_apart():
    one, other = ring_of("aes"), ring_of("aes")
    blinds = {
        ring.blind(field, PHONE) for ring in (one, other) for field in ("account.phone", "person.phone")
    }
    assert len(blinds) == 4
    assert one.blind("account.phone", PHONE) == one.blind("account.phone", PHONE)


def test_sm4_and_sm3_are_the_published_algorithms():
    """GB/T 32907 A.1 (SM4, one block) and GB/T 32905 A.1 (SM3 of "abc"), by the library the suite uses."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    block = bytes.fromhex("0123456789abcdeffedcba9876543210")
    encryptor = Cipher(algorithms.SM4(block), modes.ECB()).encryptor()  # noqa: S305  one block, as published
    assert encryptor.update(block).hex() == "681edf34d206965e86b3e94f536e4246"
    digest = hashes.Hash(hashes.SM3())
    digest.update(b"abc")
    assert digest.finalize().hex() == "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"


def test_a_sealed_value_cannot_be_opened_by_an_altered_tag():
    key = Key.create("k", "gm")
    sealed = key.seal(b"plain", b"place")
    with pytest.raises(InvalidTag):
        key.open(sealed[:-1] + bytes([sealed[-1] ^ 1]), b"place")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "needs a key"),
        ("# only a comment", "needs a key"),
        ("k1:aes:c2hvcnQ=", "key 1 of the ring"),
        ("k1:rot13:" + "QUFB" * 10 + "QUE=", "key 1 of the ring"),
        ("K1:aes:" + "QUFB" * 10 + "QUE=", "key 1 of the ring"),
        (TEST_RING + " t2:aes:" + "QUFB" * 10 + "QUE=", "same id"),
        (TEST_RING + " nonsense", "key 3 of the ring"),
    ],
)
def test_a_wrong_ring_is_refused_without_quoting_it(text, says):
    with pytest.raises(KeyRingError, match=says) as refusal:
        KeyRing.parse(text)
    assert "QUFB" not in str(refusal.value)
    assert "c2hvcnQ" not in str(refusal.value)


def test_keys_are_not_shown():
    ring = KeyRing.parse(TEST_RING)
    shown = repr(ring.current) + repr(Settings(keys=TEST_RING)) + str(ring.keys)
    assert "QUFB" not in shown
    assert "AAAA" not in shown


def test_keys_come_from_a_setting_a_file_or_a_command_in_this_order(tmp_path):
    file = tmp_path / "keys"
    file.write_text("# a comment\nfile:aes:" + "QUFB" * 10 + "QUE=\n")
    command = f"echo command:aes:{'QUFB' * 10}QUE="
    assert load_key_ring(Settings(keys_command=command)).current.id == "command"
    assert load_key_ring(Settings(keys_command=command, keys_file=str(file))).current.id == "file"
    assert load_key_ring(Settings(keys_file=str(file), keys=TEST_RING)).current.id == "t2"


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({}, "no keys"),
        ({"keys_file": "/nowhere/keys"}, "cannot be read"),
        ({"keys_command": "exit 3"}, "ended with status 3"),
        ({"keys_command": "true"}, "needs a key"),
    ],
)
def test_keys_that_cannot_be_had_say_why(monkeypatch, settings, says):
    for name in ("KEYS", "KEYS_FILE", "KEYS_COMMAND"):
        monkeypatch.delenv(f"XINBAN_{name}", raising=False)
    with pytest.raises(KeyRingError, match=says):
        load_key_ring(Settings(**settings))


def test_a_key_file_is_private_and_never_written_over(tmp_path):
    path = tmp_path / "keys"
    create_key_file(path, Key.create("first", "aes"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(FileExistsError):
        create_key_file(path, Key.create("second", "aes"))
    assert [*read_key_file(path)[1].keys] == ["first"]
    assert os.listdir(tmp_path) == ["keys"]


def test_a_new_key_is_named_by_its_day_and_stands_in_front(tmp_path):
    path = tmp_path / "keys"
    create_key_file(path, new_key("gm", now=NOW))
    add_key(path, None, behind=False, now=NOW)
    add_key(path, "aes", behind=True, now=NOW)
    _, ring = read_key_file(path)
    assert [(key.id, key.suite) for key in ring.keys.values()] == [
        ("20261124a", "gm"),
        ("20261124", "gm"),
        ("20261124b", "aes"),
    ]
    assert ring.current.id == "20261124a"


def test_another_key_becomes_the_current_one_and_nothing_else_of_the_file_changes(tmp_path):
    path = tmp_path / "keys"
    one, two, three = (Key.create(name, "aes").line() for name in ("a1", "b2", "c3"))
    path.write_text(f"# ours\n{one}, {two}  # both of 2025\n{three}\n")
    path.chmod(0o640)
    put_key_first(path, "b2")
    assert path.read_text().splitlines()[:2] == ["# ours", two]
    assert [*read_key_file(path)[1].keys] == ["b2", "a1", "c3"]
    assert "# both of 2025" in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    with pytest.raises(KeyRingError, match="no key d4"):
        put_key_first(path, "d4")
