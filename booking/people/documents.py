"""Identity documents: whether a number can be right, and what it says of its holder.

A resident ID number (公民身份号码, GB 11643) is six digits of a place, eight of a birth date, three of order, odd for
men, and a check digit (ISO 7064 MOD 11-2). Residence permits of people from Hong Kong, Macau and Taiwan (81, 82, 83)
and the foreigners' permanent residence card of 2023 (9 in front) are numbered alike.
"""

import re
import unicodedata
from dataclasses import dataclass
from datetime import date
from typing import Literal

from stdnum.cn.ric import calc_check_digit

from booking.people.errors import InvalidDocument

IdKind = Literal["id_card", "foreign_permanent_resident", "passport", "hk_macau_permit", "taiwan_permit"]
Sex = Literal["male", "female"]
# Nobody is older; the oldest person ever known died at 122.
OLDEST_YEARS = 125
# First two digits: provinces, regions and, for residence permits, Hong Kong, Macau and Taiwan. Counties come and go,
# and a number keeps the one it was given in, so that they are not checked.
_PROVINCES = frozenset(
    str(code)
    for codes in (
        range(11, 16),
        range(21, 24),
        range(31, 38),
        range(41, 47),
        range(50, 55),
        range(61, 66),
        (71, 81, 82, 83),
    )
    for code in codes
)
_RESIDENT = re.compile(r"[0-9]{17}[0-9X]")
_FORMS: dict[str, tuple[re.Pattern[str], str, str]] = {
    "passport": (
        re.compile(r"[A-Z0-9]{5,15}"),
        "护照号码由 5 至 15 位字母和数字组成",
        "a passport number has 5 to 15 letters and digits",
    ),
    "hk_macau_permit": (
        re.compile(r"[HM][0-9]{8}([0-9]{2})?"),
        "港澳居民来往内地通行证号码为 H 或 M 加 8 位数字",
        "a permit for Hong Kong and Macau residents is H or M and 8 digits",
    ),
    "taiwan_permit": (
        re.compile(r"[0-9]{8}|[0-9]{10}[A-Z]?"),
        "台湾居民来往大陆通行证号码为 8 位数字",
        "a permit for Taiwan residents is 8 digits",
    ),
    # The card before 2023; the present one is numbered like a resident's.
    "foreign_permanent_resident": (
        re.compile(r"[A-Z]{3}[0-9]{12}"),
        "外国人永久居留证号码为 18 位，或旧版 3 位字母加 12 位数字",
        "a permanent residence card has 18 digits, or 3 letters and 12 digits on the older card",
    ),
}


@dataclass(frozen=True, slots=True)
class Document:
    """A number that can be right; ``birth_on`` and ``sex`` as far as the number says them."""

    kind: IdKind
    number: str
    birth_on: date | None = None
    sex: Sex | None = None


def check_document(kind: IdKind, number: str, *, today: date) -> Document:
    """``number`` as it is written on the document. Raises InvalidDocument, which says what is wrong with it."""
    number = compact_number(number)
    if kind == "id_card" or (kind == "foreign_permanent_resident" and len(number) == 18):
        return _resident(kind, number, today)
    form, zh, en = _FORMS[kind]
    if not form.fullmatch(number):
        raise _wrong("format", zh, en)
    return Document(kind, number)


def compact_number(text: str) -> str:
    """Without spaces and hyphens, in capitals; full-width characters become plain ones."""
    return re.sub(r"[\s\-·]", "", unicodedata.normalize("NFKC", text)).upper()


def read_document(kind: IdKind, number: str) -> Document:
    """As ``check_document``, for a number that passed it before."""
    if len(number) != 18:
        return Document(kind, number)
    return Document(
        kind,
        number,
        date(int(number[6:10]), int(number[10:12]), int(number[12:14])),
        "male" if int(number[16]) % 2 else "female",
    )


def _resident(kind: IdKind, number: str, today: date) -> Document:
    if len(number) == 15 and number.isdigit():
        raise _wrong(
            "old_number",
            "这是 15 位的旧身份证号码，请填写 18 位号码",
            "this is an old number of 15 digits; the present one has 18",
        )
    if len(number) != 18:
        raise _wrong(
            "length", f"身份证号码应为 18 位，现在是 {len(number)} 位", f"18 characters, not {len(number)}"
        )
    if not _RESIDENT.fullmatch(number):
        raise _wrong(
            "format",
            "前 17 位应为数字，最后一位为数字或 X",
            "17 digits are needed, then a digit or X",
        )
    if number[:2] not in _PROVINCES and not (kind == "foreign_permanent_resident" and number[0] == "9"):
        raise _wrong("region", "前两位不是地区代码，请核对", "the first two digits are no region")
    try:
        found = read_document(kind, number)
    except ValueError:
        raise _wrong(
            "birth_date", "第 7 至 14 位不是一个日期，请核对", "digits 7 to 14 are no date"
        ) from None
    assert found.birth_on is not None
    if found.birth_on > today:
        raise _wrong("birth_date", "出生日期在将来，请核对", "the birth date is in the future")
    if today.year - found.birth_on.year > OLDEST_YEARS:
        raise _wrong("birth_date", "出生日期太早，请核对", "the birth date is too long ago")
    if calc_check_digit(number) != number[17]:
        raise _wrong(
            "checksum",
            "校验位不对，号码可能有一位填错了",
            "the check digit does not fit; one digit is probably wrong",
        )
    return found


def _wrong(reason: str, zh: str, en: str) -> InvalidDocument:
    return InvalidDocument(
        f"{zh}。",
        f"{en[0].upper()}{en[1:]}.",
        reason=reason,
        errors=[{"field": "id_number", "reason": f"{zh} / {en}"}],
    )
