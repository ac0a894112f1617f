"""Hashes of passwords (argon2id), made and checked beside the event loop, a few at a time."""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from typing import TypeVar

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from api.identity.staff_errors import PasswordsBusy, WeakPassword

# RFC 9106, section 4, second choice: 64 MiB, three passes. Two at a time hold 128 MiB of a process.
MEMORY_KIB, PASSES, LANES = 65_536, 3, 4
AT_ONCE = 2
# About two seconds' worth; whoever comes later is told to try again instead of waiting in line.
WAITING = 32
SHORTEST = 12
LONGEST = 200
FEWEST_DIFFERENT = 5
# With digits and signs around them these are the first that anybody tries.
COMMON = frozenset(
    {
        *("password", "passwd", "passwordpassword", "letmein", "welcome", "iloveyou", "changeme"),
        *("qwerty", "qwertyuiop", "qwertyuiopasdfghjkl", "asdfghjkl", "abcdefg", "abcdefghijkl"),
        *("admin", "adminadmin", "administrator", "root", "test", "correcthorsebatterystaple"),
        *(
            "woaini",
            "woaiwojia",
            "mima",
            "wodemima",
            "lanzhou",
            "lanzhouxinqu",
            "gansu",
            "xinban",
            "xinbanxinban",
        ),
    }
)

Result = TypeVar("Result")


class PasswordHashes:
    """A pool of threads with a short line before it, so that a flood of sign-ins cannot take all memory."""

    def __init__(self) -> None:
        self._hash = PasswordHash((Argon2Hasher(PASSES, MEMORY_KIB, LANES),))
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="argon2")
        self._inside = 0

    @contextmanager
    def place(self) -> Iterator[None]:
        """A place in the line. Raises PasswordsBusy when it is too long."""
        if self._inside >= AT_ONCE + WAITING:
            raise PasswordsBusy("请几秒后再试。", "Try again in a few seconds.", retry_after_seconds=3)
        self._inside += 1
        try:
            yield
        finally:
            self._inside -= 1

    async def make(self, password: str) -> str:
        """The hash to keep. Raises PasswordsBusy."""
        with self.place():
            return await self._do(lambda: self._hash.hash(password))

    async def check(self, password: str, known: str | None) -> tuple[bool, str | None]:
        """Whether it is right, and a new hash to keep when the parameters changed since.

        The caller holds a ``place``, taken before the try is counted: who is sent away tried nothing. Without a hash to
        compare with it takes as long, and is wrong.
        """

        def verify() -> tuple[bool, str | None]:
            nobody = _dummy()
            return self._hash.verify_and_update(password, known or nobody)

        right, renewed = await self._do(verify)
        return right and known is not None, renewed if known is not None else None

    async def _do(self, work: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


@cache
def password_hashes() -> PasswordHashes:
    """The process' own."""
    return PasswordHashes()


@cache
def _dummy() -> str:
    return PasswordHash((Argon2Hasher(PASSES, MEMORY_KIB, LANES),)).hash("nobody has this password")


def check_strength(password: str, *, username: str) -> None:
    """Raises WeakPassword, saying what to change."""
    plain = password.casefold()
    letters = "".join(character for character in plain if character.isalpha())
    if len(password) < SHORTEST:
        raise WeakPassword(
            f"密码至少 {SHORTEST} 个字符，可以用几个词组成。",
            f"Use at least {SHORTEST} characters; a few words will do.",
        )
    if username in plain:
        raise WeakPassword("密码不能包含用户名。", "Leave your username out of it.")
    if len(set(plain)) < FEWEST_DIFFERENT:
        raise WeakPassword("请使用更多不同的字符。", "Use more different characters.")
    if not letters or letters in COMMON:
        raise WeakPassword(
            "不要使用纯数字或常见密码，可以用几个不相关的词组成。",
            "Not digits only and not a common password; a few unrelated words will do.",
        )
