"""Telephone numbers: one way of writing each (E.164), whatever was typed."""

import re

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberFormat, PhoneNumberType

from core.errors import Invalid

HOME_REGION = "CN"
LONGEST = 40
# New ranges are opened faster than any list of them is updated.
MAINLAND_MOBILE = re.compile(r"\+861[3-9][0-9]{9}\Z")
MOBILE = (PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE)


class InvalidPhone(Invalid):
    """This is not a phone number."""

    code = "invalid-phone"
    title_zh = "电话号码有误"


def normalise_phone(text: str) -> str:
    """``text`` as E.164: ``138 0000 0001``, ``+86-138…``, ``0931-8888888`` and full-width digits are understood.

    Numbers without a country code are of mainland China. Raises InvalidPhone, which does not repeat the number.
    """
    try:
        if len(text) > LONGEST:
            raise NumberParseException(NumberParseException.TOO_LONG, "too long")
        number = phonenumbers.parse(text, HOME_REGION)
    except NumberParseException as error:
        raise _invalid() from error
    written = phonenumbers.format_number(number, PhoneNumberFormat.E164)
    if number.extension or not (MAINLAND_MOBILE.match(written) or phonenumbers.is_valid_number(number)):
        raise _invalid()
    return written


def region_of_mobile(phone: str) -> str | None:
    """Two letters of the country or region that the mobile number ``phone`` (E.164) belongs to; None for any other number."""
    if MAINLAND_MOBILE.match(phone):
        return HOME_REGION
    number = phonenumbers.parse(phone)
    if phonenumbers.number_type(number) not in MOBILE:
        return None
    return phonenumbers.region_code_for_number(number)


def _invalid() -> InvalidPhone:
    return InvalidPhone(
        "请填写正确的电话号码，例如 13800000001；境外号码请加国家代码，例如 +852 9123 4567。",
        "Enter a phone number such as 13800000001; with the country code when it is not of mainland China: +852 9123 4567.",
    )
