"""Cursors: what was handed out is read back, and nothing else is."""

from datetime import date
from uuid import UUID

import pytest

from core.errors import InvalidCursor
from core.paging import encode_cursor, next_cursor, read_cursor, read_one

QUERY = b"complaints of one account"
IDS = [UUID(int=number) for number in range(1, 5)]


def test_the_next_page_begins_behind_the_last_row_shown():
    cursor = next_cursor(QUERY, IDS, 3, lambda one: [one])
    assert read_one(QUERY, cursor, UUID) == IDS[2]


def test_without_one_row_more_there_is_no_next_page():
    assert next_cursor(QUERY, IDS[:3], 3, lambda one: [one]) is None
    assert next_cursor(QUERY, [], 3, lambda one: [one]) is None


def test_without_a_cursor_there_is_no_place():
    assert read_one(QUERY, None, UUID) is None
    assert read_cursor(QUERY, None, date.fromisoformat, UUID) is None


def test_each_part_is_read_by_its_reader():
    cursor = next_cursor(QUERY, IDS, 1, lambda one: [date(2026, 11, 24), one, 7])
    assert read_cursor(QUERY, cursor, date.fromisoformat, UUID, int) == (date(2026, 11, 24), IDS[0], 7)


def test_another_query_s_cursor_is_refused():
    with pytest.raises(InvalidCursor):
        read_one(b"another", next_cursor(QUERY, IDS, 1, lambda one: [one]), UUID)


@pytest.mark.parametrize("key", [["x"], [None], [1.5], [{}], [], [str(UUID(int=1)), 2], [["x"]]])
def test_a_key_that_somebody_made_up_is_refused_though_its_digest_is_right(key):
    with pytest.raises(InvalidCursor):
        read_one(QUERY, encode_cursor(QUERY, key), UUID)
