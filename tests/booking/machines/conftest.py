"""A database for all steps of a machine."""

import pytest

from tests.booking.machines.house import House
from tests.conftest import create_database, drop_database, url_of


@pytest.fixture
def house(server_url, template):
    name = create_database(server_url, template)
    one = House(url_of(server_url, name))
    yield one
    one.close()
    drop_database(server_url, name)
