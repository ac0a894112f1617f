"""One cell at a time: phones, dates, ages and prices as people type them."""

import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

# Ways to say that there is nothing; compared in lower case.
NOTHING = frozenset(
    {
        *("-", "--", "—", "——", "/", "\\", "."),
        *("无", "無", "没有", "暂无", "暫無", "不详", "不詳", "未知", "待定", "待确认", "待確認"),
        *("n/a", "na", "null", "none", "nil", "#n/a", "tbc", "tba", "tbd"),
    }
)

PHONE_SPLIT = re.compile(r"[、，,;；/]|\s+(?=\(?0\d)")
LIST_SPLIT = re.compile(r"[、，,;；|]")
_PHONE = re.compile(r"[0-9+*#() -]{3,32}")
_EXTENSION = re.compile(r"^(.*?\d)\s*[(]?(?:轉|转|分機|分机|ext\.?|x|#)\s*(\d{1,8})[)]?$", re.IGNORECASE)
_LABELLED = re.compile(r"^([^\d+(*#:]{1,30}?)[:\s]*([\d+(*#].*)$")
_MOBILE = re.compile(r"1[3-9]\d{9}")

_DATE_TIME = re.compile(
    r"(\d{4})\s*[-/.年]\s*(\d{1,2})\s*[-/.月]\s*(\d{1,2})\s*日?"
    r"(?:[T\s]+(\d{1,2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?\s*(Z|[+-]\d{2}:?\d{2})?)?"
)
_COMPACT = re.compile(r"(\d{4})(\d{2})(\d{2})(?:(\d{2})(\d{2})(\d{2}))?")
_ROC_YEAR = re.compile(r"(?:民國|民国)?(\d{2,3})[-/.年](\d{1,2})[-/.月](\d{1,2})日?")
_AGE = re.compile(r"(\d{1,3})\s*(?:岁|歲|周岁|周歲)?(?:以上|及以上|以下|及以下)?")
_PRICE = re.compile(r"[¥￥]?\s*(\d{1,6}(?:\.\d{1,2})?)\s*元?(?:\s*/\s*\S{1,6})?")
FREE = frozenset({"免费", "免費", "无偿", "free", "0元"})


@dataclass(frozen=True, slots=True)
class Number:
    """A phone number as read. `number` is None when it cannot be one; `restored` is it with a lost zero put back."""

    text: str
    number: str | None
    extension: str | None = None
    label: str | None = None
    restored: str | None = None


def tidy(text: str) -> str:
    """Without surrounding and doubled white space."""
    if "  " in text or "\n" in text or "\u3000" in text or "\xa0" in text:
        text = " ".join(text.split())
    return text.strip()


def clean(text: str) -> str:
    """Tidy, and empty when it only says that there is nothing."""
    text = tidy(text)
    return "" if text.lower() in NOTHING else text


def read_phone(text: str) -> Number:
    """A single number with its extension and label: `办公室：0931-825 5678转108`."""
    plain = unicodedata.normalize("NFKC", text).strip()
    label = extension = None
    if found := _LABELLED.match(plain):
        label, plain = found.group(1).strip(), found.group(2)
    if found := _EXTENSION.match(plain):
        plain, extension = found.group(1), found.group(2)
    plain = plain.replace("–", "-").replace("—", "-").strip()
    if not _PHONE.fullmatch(plain) or sum(character.isdigit() for character in plain) < 3:
        return Number(text, None)
    return Number(text, plain, extension, label or None, _restored(plain))


def _restored(number: str) -> str | None:
    """The number with a zero before it, when a spreadsheet seems to have eaten one: 9318255678 is 0931-8255678.

    Area codes without their zero: 10, 2x (7 or 8 digits follow) and 3xx to 9xx. Not mobiles, not 400 and 800.
    """
    if not number.isdigit() or not 9 <= len(number) <= 11 or number.startswith(("0", "400", "800")):
        return None
    if _MOBILE.fullmatch(number) or (number.startswith("1") and not number.startswith("10")):
        return None
    return "0" + number


@lru_cache(maxsize=4096)
def read_date(text: str, zone: str) -> datetime | None:
    """A date, perhaps with a time, as an aware instant in `zone`; None when it is none (TBC, NA, 2023-02-30)."""
    text = unicodedata.normalize("NFKC", text).strip()
    found = _DATE_TIME.fullmatch(text)
    offset = found.group(7) if found else None
    found = found or _COMPACT.fullmatch(text)
    if found is None:
        return None
    year, month, day, hour, minute, second = (int(part or 0) for part in found.groups()[:6])
    if not 1900 <= year <= 2200:
        return None
    try:
        if offset:
            moment = f"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{offset}"
            return datetime.fromisoformat(moment)
        return datetime(year, month, day, hour, minute, second, tzinfo=ZoneInfo(zone))
    except ValueError:
        return None


def suggest_date(text: str) -> str:
    """A date that was probably meant, as YYYY-MM-DD, or nothing: 113/1/5 counts years of the Republic."""
    if found := _ROC_YEAR.fullmatch(unicodedata.normalize("NFKC", text).strip()):
        return f"{int(found.group(1)) + 1911}-{int(found.group(2)):02}-{int(found.group(3)):02}"
    return ""


def read_age(text: str) -> int | None:
    """Full years from `60`, `60周岁` or `60岁以上`; None for anything else, and above 150."""
    found = _AGE.fullmatch(unicodedata.normalize("NFKC", text).strip().removesuffix(".0"))
    age = int(found.group(1)) if found else 151
    return age if age <= 150 else None


def read_price(text: str) -> int | None:
    """Fen from `12`, `12.5元`, `¥12/餐` or `免费`; None for anything else."""
    plain = unicodedata.normalize("NFKC", text).strip()
    if plain.lower() in FREE:
        return 0
    found = _PRICE.fullmatch(plain)
    return round(float(found.group(1)) * 100) if found else None


_DAYS = {"一": "Mo", "二": "Tu", "三": "We", "四": "Th", "五": "Fr", "六": "Sa", "日": "Su", "天": "Su"}
_PROSE_HOURS = re.compile(
    r"(?:(?:周|星期|礼拜|禮拜)([一二三四五六日天])(?:[至到~-](?:周|星期|礼拜|禮拜)?([一二三四五六日天]))?|(每天|每日|全天))?"
    r"\s*[::]?\s*(\d{1,2}):(\d{2})\s*[至到~-]\s*(\d{1,2}):(\d{2})"
)


def suggest_hours(text: str) -> str:
    """OSM opening_hours for the commonest prose (周一至周五 8:30-17:30), or nothing. Only ever a suggestion."""
    plain = unicodedata.normalize("NFKC", text).replace("—", "-").replace("–", "-")
    parts = []
    for part in re.split(r"[,;、\s]+(?=周|星期|礼拜|禮拜|每)", plain.strip()):
        found = _PROSE_HOURS.fullmatch(part.strip(" ,;。"))
        if found is None:
            return ""
        first, last, _, *times = found.groups()
        days = (_DAYS[first] + (f"-{_DAYS[last]}" if last else "") + " ") if first else ""
        start_hour, start_minute, end_hour, end_minute = (int(time) for time in times)
        parts.append(f"{days}{start_hour:02}:{start_minute:02}-{end_hour:02}:{end_minute:02}")
    return "; ".join(parts)
