"""What of a phone, a name and an ID number is shown to those who do not need all of it."""

import pytest

from core.masking import mask_id_number, mask_name, mask_phone


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        ("13800138000", "138****8000"),
        ("+8613800138000", "138****8000"),
        ("+85291234567", "****67"),
        ("12345", "****45"),
        ("", "****"),
    ],
)
def test_a_phone_shows_at_most_its_first_three_and_last_four_digits(number, shown):
    assert mask_phone(number) == shown


@pytest.mark.parametrize(
    ("name", "shown"),
    [("张三", "张*"), ("王小明", "王**"), ("买买提·艾力", "买**"), ("李", "李*"), ("", "*")],
)
def test_a_name_shows_its_first_character(name, shown):
    assert mask_name(name) == shown


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        ("620102195001011234", "620***********1234"),
        ("E12345678", "E******78"),
        ("H1234567", "H*****67"),
        ("A12", "***"),
        ("", ""),
    ],
)
def test_an_id_number_shows_its_ends_only(number, shown):
    assert mask_id_number(number) == shown


@pytest.mark.parametrize("length", range(20))
def test_nothing_is_ever_shown_whole(length):
    text = "1234567890ABCDEFGHIJ"[:length]
    for mask in (mask_phone, mask_name, mask_id_number):
        assert not text or text not in mask(text) or len(text) == 1
