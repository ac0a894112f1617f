"""A bookable site for each test."""

import pytest

from tests.booking.bookable import Bookable


@pytest.fixture
async def world(session, ring) -> Bookable:
    return await Bookable(session, ring).open()
