"""Personal data as it is shown to those who do not need all of it (脱敏)."""


def mask_phone(number: str) -> str:
    """``138****5678``; short numbers keep their last two digits."""
    return f"{number[:3]}****{number[-4:]}" if len(number) >= 11 else f"****{number[-2:]}"


def mask_name(name: str) -> str:
    """``张**``: the first character stays, the others become stars, two at most."""
    return name[:1] + "*" * min(2, max(1, len(name) - 1))


def mask_id_number(number: str) -> str:
    """``620***********1234``: three characters in front, four behind; documents of other kinds keep two behind."""
    front, behind = (3, 4) if len(number) >= 15 else (1, 2)
    return number[:front] + "*" * max(0, len(number) - front - behind) + number[-behind:]
