"""Personal data as it is shown to those who do not need all of it (脱敏)."""

CHINA = "+86"
# A Chinese mobile number has 11 digits; anything shorter would be guessed from seven of them.
MOBILE_DIGITS = 11


def mask_phone(number: str) -> str:
    """``138****5678`` for a Chinese mobile number (E.164 or not); others keep their last two digits, if longer than four."""
    national = number.removeprefix(CHINA)
    if len(national) >= MOBILE_DIGITS and national.isdigit():
        return f"{national[:3]}****{national[-4:]}"
    return f"****{number[-2:]}" if len(number) > 4 else "****"


def mask_name(name: str) -> str:
    """``张**``: the first character stays, the others become stars, two at most."""
    return name[:1] + "*" * min(2, max(1, len(name) - 1))


def mask_id_number(number: str) -> str:
    """``620***********1234``: three characters in front, four behind; shorter ones keep one and two, very short ones none."""
    front, behind = (3, 4) if len(number) >= 15 else (1, 2) if len(number) >= 7 else (0, 0)
    return number[:front] + "*" * (len(number) - front - behind) + number[len(number) - behind :]
