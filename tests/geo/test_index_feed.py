"""The feed that keeps a process' nearby index up with the database, with a database of its own."""

import threading
import time
from datetime import UTC, date, datetime
from uuid import UUID

import orjson
import psycopg
import pytest
import shapely
from psycopg import sql

from geo.crs import Crs
from geo.nearby.feed import CHANGES, IndexFeed
from geo.nearby.page import NearbyQuestion, nearby
from tests.geo.cities import CitySite, insert_sites

GENEROUS_SECONDS = 20.0
NOW = datetime(2026, 9, 29, 2, 0, tzinfo=UTC)  # a Tuesday, 10:00 in 兰州
HERE = (103.6, 36.5)


def site(number, **said):
    return CitySite(UUID(int=number), shapely.Point(HERE[0] + number / 1e6, HERE[1]), **said)


def wait_for(condition, what):
    end = time.monotonic() + GENEROUS_SECONDS
    while not condition():
        assert time.monotonic() < end, f"waited in vain: {what}"
        time.sleep(0.01)


@pytest.fixture
def writer(database_url):
    """A connection on which each statement, or ``transaction()`` block, commits."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        insert_sites(connection, [site(number) for number in range(10)])
        yield connection


@pytest.fixture
def make_feed(database_url, writer):
    """Starts feeds, waits until they have loaded, stops them."""
    feeds = []

    def make(**options):
        feed = IndexFeed(database_url, region="CN", shifted=False, clock=lambda: NOW, **options)
        feeds.append(feed)
        feed.start()
        wait_for(lambda: feed.loaded is not None, "the first index")
        return feed

    yield make
    for feed in feeds:
        feed.stop()


@pytest.fixture
def feed(make_feed):
    return make_feed()


def items(feed):
    """What is near, by number."""
    question = NearbyQuestion(*HERE, Crs.wgs84, limit=200)
    answer = orjson.loads(nearby(feed.loaded.index, feed.loaded.categories, question, now=NOW))
    return {UUID(item["id"]).int: item for item in answer["items"]}


def rename(connection, number, name):
    connection.execute("update site set name = %s where id = %s", (name, UUID(int=number)))


def backends(connection):
    return [
        pid
        for (pid,) in connection.execute(
            "select pid from pg_stat_activity"
            " where application_name = 'xinban nearby index' and datname = current_database()"
        )
    ]


def cut_off(connection):
    """End the feed's connection, as a failover or an idle firewall does."""
    for pid in backends(connection):
        connection.execute("select pg_terminate_backend(%s)", (pid,))


def test_sites_that_come_change_and_go_are_seen(feed, writer):
    assert set(items(feed)) == set(range(10))
    insert_sites(writer, [site(11, name="新站")])
    wait_for(lambda: 11 in items(feed), "an inserted site")
    rename(writer, 11, "改名站")
    wait_for(lambda: items(feed)[11]["name"] == "改名站", "an updated site")
    writer.execute("update site set geom = 'SRID=4326;POINT(103.61 36.5)' where id = %s", (UUID(int=3),))
    wait_for(lambda: items(feed)[3]["distance_m"] > 800, "a moved site")
    writer.execute("update site set published_at = null where id = %s", (UUID(int=4),))
    wait_for(lambda: 4 not in items(feed), "a withdrawn site")
    writer.execute("delete from site where id in (%s, %s)", (UUID(int=5), UUID(int=11)))
    wait_for(
        lambda: set(items(feed)) == {0, 1, 2, 3, 6, 7, 8, 9}, "deleted sites, an old one and a young one"
    )
    writer.execute("update site set published_at = now() where id = %s", (UUID(int=4),))
    wait_for(lambda: 4 in items(feed), "a site published again")


def test_phones_and_exceptions_are_seen(feed, writer):
    one = UUID(int=1)
    assert (items(feed)[1]["phone"], items(feed)[1]["open"]["state"]) == (None, "open")
    writer.execute("insert into phone (site_id, position, number) values (%s, 0, '0931-1')", (one,))
    wait_for(lambda: items(feed)[1]["phone"] == "0931-1", "a phone")
    writer.execute("update phone set number = '0931-2'")
    wait_for(lambda: items(feed)[1]["phone"] == "0931-2", "another number")
    writer.execute("delete from phone")
    wait_for(lambda: items(feed)[1]["phone"] is None, "no phone")
    writer.execute("insert into hours_exception values (%s, %s, 'off', '停电')", (one, date(2026, 9, 29)))
    wait_for(lambda: items(feed)[1]["open"]["state"] == "closed", "an exception")
    assert items(feed)[2]["open"]["state"] == "open"
    writer.execute("delete from hours_exception")
    wait_for(lambda: items(feed)[1]["open"]["state"] == "open", "no exception")


def test_renamed_areas_and_categories_are_seen(feed, writer):
    writer.execute(
        "insert into area (id, kind, name, valid_from, source_code)"
        " values (%s, 'township', '中川镇', '2020-01-01', 'city')",
        (UUID(int=50),),
    )
    writer.execute("update site set area_id = %s where id = %s", (UUID(int=50), UUID(int=1)))
    wait_for(lambda: items(feed)[1]["area"] == "中川镇", "an area")
    writer.execute("update area set name = '中川街道'")
    wait_for(lambda: items(feed)[1]["area"] == "中川街道", "a renamed area")
    writer.execute("update category set label_zh = '食堂' where code = 'meal_point'")
    wait_for(lambda: feed.loaded.categories.nodes["meal_point"].label_zh == "食堂", "a renamed category")
    assert items(feed)[1]["area"] == "中川街道"


def test_an_announced_calendar_is_seen_and_changes_no_site(feed, writer):
    insert_sites(writer, [site(20, hours="Mo-Fr 08:00-18:00; PH off")])
    wait_for(lambda: 20 in items(feed), "the site")
    assert items(feed)[20]["open"]["reason"] == "calendar_not_announced"
    young = feed.loaded.index.segments[1:]
    assert len(young) == 1
    writer.execute(
        "insert into calendar_year (region, year, source, imported_at) values ('CN', 2026, 'x', now())"
    )
    wait_for(lambda: items(feed)[20]["open"]["state"] == "open", "an announced year")
    writer.execute("insert into calendar_day values ('CN', '2026-09-29', 2026, 'holiday', '节')")
    wait_for(lambda: items(feed)[20]["open"]["state"] == "closed", "a holiday")
    assert set(items(feed)) == {*range(10), 20}


def test_a_thousand_sites_changed_at_once_are_seen_together(feed, writer):
    """Target: within 1 s; the bench measures it."""
    insert_sites(writer, [site(number) for number in range(1_000, 2_000)])
    wait_for(lambda: len(feed.loaded.index) == 1_010, "a thousand new sites")
    refreshes = feed.refreshes
    with writer.transaction():
        for number in range(1_000, 2_000):
            rename(writer, number, "改")
    seen = set()

    def all_renamed():
        names = [item["name"] == "改" for number, item in items(feed).items() if number >= 1_000]
        seen.add(sum(names))
        return all(names)

    wait_for(all_renamed, "a thousand changes")
    assert seen <= {0, len(items(feed)) - 10}  # never a part of them
    assert feed.refreshes <= refreshes + 2


def test_a_transaction_notifies_once(database_url, writer):
    with psycopg.connect(database_url, autocommit=True) as listener:
        listener.execute("listen xinban_geo")
        with writer.transaction():
            insert_sites(writer, [site(number, phones=["110"]) for number in range(100, 150)])
            for number in range(10):
                rename(writer, number, "改")
            writer.execute("delete from site where id = %s", (UUID(int=1),))
        rename(writer, 2, "再改")
        heard = [notify.payload for notify in listener.notifies(timeout=0.5)]
    assert heard == ["site", "site"]


def test_a_transaction_that_began_early_and_committed_late_is_not_lost(feed, writer, database_url):
    with psycopg.connect(database_url) as early:
        rename(early, 1, "早")
        rename(writer, 2, "晚")
        wait_for(lambda: items(feed)[2]["name"] == "晚", "the later, faster transaction")
        since = feed.loaded.since
        (last,) = writer.execute("select max(xid::text::bigint) from site_change").fetchone()
        assert items(feed)[1]["name"] != "早"
        early.commit()
    wait_for(lambda: items(feed)[1]["name"] == "早", "the earlier, slower one")

    # The control: what a plain "newer than the newest seen" would have read.
    newer = "select site_id from site_change where xid > %s::text::xid8"
    assert writer.execute(newer, (last,)).fetchall() == []
    assert (UUID(int=1),) in writer.execute(CHANGES, {"since": since}).fetchall()


def test_a_transaction_that_runs_on_does_not_make_each_look_read_the_same_again(feed, writer, database_url):
    with psycopg.connect(database_url) as early:
        rename(early, 1, "早")
        for number in range(2, 6):
            rename(writer, number, "改")
        wait_for(lambda: items(feed)[5]["name"] == "改", "the others")
        assert writer.execute(CHANGES, {"since": feed.loaded.since}).fetchall() == []
        early.commit()
    wait_for(lambda: items(feed)[1]["name"] == "早", "the one that ran on")


def test_rows_and_the_snapshot_remembered_with_them_are_one(database_url, writer):
    insert_sites(writer, [site(20, hours="Mo-Su 08:00-18:00")])
    feed = IndexFeed(database_url, region="CN", shifted=False, clock=lambda: NOW)
    loaded = []
    with feed._connect() as connection, psycopg.connect(database_url) as blocker:
        blocker.execute("lock table phone")  # reading begins, and stops at the phones
        reader = threading.Thread(target=lambda: loaded.append(feed._load(connection)))
        reader.start()
        waits = "select true from pg_stat_activity where pid = %s and wait_event_type = 'Lock'"
        wait_for(lambda: writer.execute(waits, (connection.info.backend_pid,)).fetchone(), "the reader")
        writer.execute("update site set name = '晚', hours = 'Mo 08:00-09:00' where id = %s", (UUID(int=20),))
        blocker.rollback()
        reader.join(GENEROUS_SECONDS)
    (feed.loaded,) = loaded
    seen = items(feed)[20]
    assert (seen["name"], seen["open"]["until"]) == ("站", "2026-09-29T18:00:00+08:00")
    assert writer.execute(CHANGES, {"since": feed.loaded.since}).fetchall() == [(UUID(int=20),)]


def test_the_index_serves_on_while_the_database_is_away_and_catches_up(feed, writer, server_url):
    """The writer stays connected; nobody else is let in."""
    name = sql.Identifier(writer.info.dbname)
    with psycopg.connect(server_url, autocommit=True) as server:
        server.execute(sql.SQL("alter database {} with allow_connections false").format(name))
        try:
            cut_off(writer)
            wait_for(lambda: feed.stale_since is not None, "a lost connection")
            rename(writer, 1, "改")
            writer.execute("delete from site where id = %s", (UUID(int=2),))
            insert_sites(writer, [site(30)])
            time.sleep(1.2)  # one more attempt in vain
            assert feed.stale_since == NOW
            assert set(items(feed)) == set(range(10))
            assert items(feed)[1]["name"] == "站"
        finally:
            server.execute(sql.SQL("alter database {} with allow_connections true").format(name))
    wait_for(lambda: feed.stale_since is None, "the database")
    assert set(items(feed)) == {0, 1, *range(3, 10), 30}
    assert items(feed)[1]["name"] == "改"
    rename(writer, 3, "后来")
    wait_for(lambda: items(feed)[3]["name"] == "后来", "a change after the return")


def test_a_cut_connection_is_made_again(feed, writer):
    (before,) = backends(writer)
    cut_off(writer)
    rename(writer, 1, "改")
    wait_for(lambda: items(feed)[1]["name"] == "改", "a change made while cut off")
    assert before not in backends(writer)
    wait_for(lambda: feed.stale_since is None, "all well")


def test_a_feed_that_finds_no_database_loads_when_there_is_one(database_url, writer, server_url):
    name = sql.Identifier(writer.info.dbname)
    with psycopg.connect(server_url, autocommit=True) as server:
        server.execute(sql.SQL("alter database {} with allow_connections false").format(name))
        feed = IndexFeed(database_url, region="CN", shifted=False, clock=lambda: NOW)
        feed.start()
        try:
            wait_for(lambda: feed.stale_since is not None, "a refusal")
            assert feed.loaded is None
            server.execute(sql.SQL("alter database {} with allow_connections true").format(name))
            wait_for(lambda: feed.loaded is not None, "the index")
            wait_for(lambda: feed.stale_since is None, "all well")
        finally:
            feed.stop()
    assert set(items(feed)) == set(range(10))


def test_young_sites_are_folded_in_when_they_are_many(make_feed, writer):
    feed = make_feed(fold_at_least=5)
    sizes = []
    for number in range(8):
        rename(writer, number, f"改{number}")
        wait_for(lambda number=number: items(feed)[number]["name"] == f"改{number}", "a change")
        sizes.append([len(segment) for segment in feed.loaded.index.segments])
    assert sizes == [[10, 1], [10, 2], [10, 3], [10, 4], [10, 5], [10], [10, 1], [10, 2]]
    assert set(items(feed)) == set(range(10))


def test_quiet_times_are_bridged_by_heartbeats(make_feed, writer):
    feed = make_feed(heartbeat_seconds=0.5)
    refreshes = feed.refreshes
    wait_for(lambda: feed.refreshes >= refreshes + 2, "two heartbeats")
    rename(writer, 1, "改")
    wait_for(lambda: items(feed)[1]["name"] == "改", "a change")


def test_stop_ends_the_thread_and_its_connection(make_feed, writer):
    feed = make_feed()
    assert len(backends(writer)) == 1
    started = time.monotonic()
    feed.stop()
    assert time.monotonic() - started < 5
    assert not [thread for thread in threading.enumerate() if thread.name == "nearby-index"]
    wait_for(lambda: not backends(writer), "the connection to close")
    assert set(items(feed)) == set(range(10))
    feed.stop()


def test_a_feed_that_never_started_can_be_stopped(database_url):
    IndexFeed(database_url, region="CN", shifted=False, clock=lambda: NOW).stop()
