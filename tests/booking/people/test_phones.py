"""Phone numbers as people type them."""

import pytest

from booking.people.phones import InvalidPhone, normalise_phone, region_of_mobile


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("13800000001", "+8613800000001"),
        (" 138 0000 0001 ", "+8613800000001"),
        ("138-0000-0001", "+8613800000001"),
        ("+86 138 0000 0001", "+8613800000001"),
        ("0086 13800000001", "+8613800000001"),
        ("１３８０００００００１", "+8613800000001"),
        ("15400000001", "+8615400000001"),  # a range that lists of ranges do not have yet
        ("0931-8888888", "+869318888888"),
        ("（0931）8888888", "+869318888888"),
        ("+852 9123 4567", "+85291234567"),
    ],
)
def test_a_number_is_kept_in_one_form_however_it_is_typed(typed, kept):
    assert normalise_phone(typed) == kept
    assert normalise_phone(kept) == kept


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "0",
        "119",
        "12345",
        "1390000000",
        "138000000011",
        "13800000001 ext. 3",
        "电话",
        "+",
        "+86",
        "1" * 500,
    ],
)
def test_what_is_no_number_is_refused_without_being_repeated(typed):
    with pytest.raises(InvalidPhone) as refusal:
        normalise_phone(typed)
    if len(typed) > 4:
        assert typed not in str(refusal.value) + refusal.value.detail_zh


@pytest.mark.parametrize(
    ("phone", "region"),
    [
        ("+8613800000001", "CN"),
        ("+85291234567", "HK"),
        ("+14155552671", "US"),
        ("+869318888888", None),
    ],
)
def test_mobile_numbers_tell_their_region_and_others_none(phone, region):
    assert region_of_mobile(phone) == region
