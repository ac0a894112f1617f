"""Identity documents: what can be right, what it says, and what is said when it cannot be."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum.cn import ric

from booking.people.dates import add_years, age_on
from booking.people.documents import check_document, read_document
from booking.people.errors import InvalidDocument
from tests.api.residents import id_number

TODAY = date(2026, 11, 24)


def test_a_resident_id_number_says_birth_date_and_sex():
    found = check_document("id_card", "11010519491231002X", today=TODAY)  # the example of GB 11643-1999
    assert (found.birth_on, found.sex) == (date(1949, 12, 31), "female")


@pytest.mark.parametrize(
    "written",
    [
        "11010519491231002x",
        " 110105 19491231 002X ",
        "110105-19491231-002X",
        "１１０１０５１９４９１２３１００２Ｘ",
    ],
)
def test_a_number_is_understood_however_it_was_typed(written):
    assert check_document("id_card", written, today=TODAY).number == "11010519491231002X"


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        ("110105194912310020", "checksum"),
        ("11010519491231003X", "checksum"),
        ("110105195002300021", "birth_date"),
        ("11010520270101002X", "birth_date"),
        ("110105189001010020", "birth_date"),
        ("11010519491231002", "length"),
        ("1101051949123100XX", "format"),
        ("990105194912310020", "region"),
        ("910105194912310020", "region"),
        ("110105491231002", "old_number"),
        ("", "length"),
    ],
)
def test_a_wrong_number_is_refused_with_what_is_wrong(number, reason):
    with pytest.raises(InvalidDocument) as refused:
        check_document("id_card", number, today=TODAY)
    assert refused.value.fields["reason"] == reason
    assert not number or number not in refused.value.detail_zh + refused.value.detail_en


@given(
    st.dates(date(1905, 1, 1), TODAY),
    st.integers(0, 999),
    st.sampled_from(["110105", "620102", "810000", "830000", "650103"]),
)
def test_every_well_formed_number_is_taken_and_any_one_wrong_digit_is_not(born, order, place):
    first = f"{place}{born:%Y%m%d}{order:03d}"
    number = first + ric.calc_check_digit(first + "0")
    found = check_document("id_card", number, today=TODAY)
    assert (found.birth_on, found.sex) == (born, "male" if order % 2 else "female")
    assert read_document("id_card", number) == found
    at = order % 17
    wrong = number[:at] + str((int(number[at]) + 1) % 10) + number[at + 1 :]
    with pytest.raises(InvalidDocument):
        check_document("id_card", wrong, today=TODAY)


@pytest.mark.parametrize(
    ("kind", "number"),
    [
        ("passport", "e12345678"),
        ("passport", "GA1234567"),
        ("hk_macau_permit", "H12345678"),
        ("hk_macau_permit", "m1234567801"),
        ("taiwan_permit", "12345678"),
        ("foreign_permanent_resident", "CHN110098765432"),
    ],
)
def test_other_documents_are_known_by_their_form(kind, number):
    assert check_document(kind, number, today=TODAY).birth_on is None


@pytest.mark.parametrize(
    ("kind", "number"),
    [
        ("passport", "E1"),
        ("passport", "护照12345"),
        ("hk_macau_permit", "X12345678"),
        ("taiwan_permit", "1234567"),
        ("foreign_permanent_resident", "CHN1"),
    ],
)
def test_what_has_another_form_is_refused(kind, number):
    with pytest.raises(InvalidDocument):
        check_document(kind, number, today=TODAY)


def test_the_foreigners_card_of_today_is_numbered_like_a_residents():
    first = "91101119850123004"
    number = first + ric.calc_check_digit(first + "0")
    found = check_document("foreign_permanent_resident", number, today=TODAY)
    assert found.birth_on == date(1985, 1, 23)
    with pytest.raises(InvalidDocument):
        check_document("foreign_permanent_resident", first + "?", today=TODAY)


def test_ages_turn_on_the_birthday_and_a_leap_day_waits_for_march():
    assert age_on(date(2008, 11, 24), TODAY) == 18
    assert age_on(date(2008, 11, 25), TODAY) == 17
    assert add_years(date(2008, 2, 29), 18) == date(2026, 3, 1)


def test_numbers_made_for_tests_are_well_formed():
    assert ric.calc_check_digit(number := id_number()) == number[-1]
