"""The processes themselves: they stop in good order, several share the work, the worker survives a lost database."""

import os
import signal
import threading
from pathlib import Path

import httpx
import psycopg
import pytest

from tests.api.running import answers, running, serving, wait_until
from tests.api.test_operation import close, reopen


def ask_while_locked(one, database_url):
    """A request that waits for a lock: (its thread, what it was answered, the connection that holds the lock)."""
    other = psycopg.connect(database_url)
    other.execute("lock table site in access exclusive mode")
    received: list[httpx.Response] = []
    thread = threading.Thread(
        target=lambda: received.append(httpx.get(f"{one.url}/v1/sites?limit=3", trust_env=False, timeout=30))
    )
    thread.start()

    def is_waiting():
        return other.execute(
            "select 1 from pg_locks where not granted and database ="
            " (select oid from pg_database where datname = current_database())"
        ).fetchone()

    wait_until(is_waiting, "the request in the queue for the lock")
    return thread, received, other


def children(pid):
    """Ids of its child processes, and those among them that serve."""
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(one) for one in listed], [
        int(one) for one in listed if b"spawn_main" in Path(f"/proc/{one}/cmdline").read_bytes()
    ]


def is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_told_to_stop_it_finishes_the_request_under_way_and_takes_no_more(own_city_url, redis_url, tmp_path):
    with serving(tmp_path / "log", database_url=own_city_url, redis_url=redis_url, fresh=True) as one:
        thread, received, other = ask_while_locked(one, own_city_url)
        with other:
            one.process.send_signal(signal.SIGTERM)
            wait_until(lambda: not answers(one, "/healthz"), "the door closed to newcomers")
            assert one.process.poll() is None
            other.rollback()
            thread.join()
        other.close()
        assert received[0].status_code == 200
        assert len(received[0].json()["items"]) == 3
        assert one.process.wait(10) == 0
        assert [line for line in one.log() if line["level"] == "ERROR"] == []
    with psycopg.connect(own_city_url) as connection:
        ((left,),) = connection.execute(
            "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
        ).fetchall()
    assert left == 0


def test_interrupted_from_the_keyboard_it_stops_as_well(city_url, redis_url, tmp_path):
    with serving(tmp_path / "log", database_url=city_url, redis_url=redis_url, fresh=True) as one:
        assert one.stop(signal.SIGINT) == 0
        assert "Traceback" not in one.log_path.read_text()


def test_two_workers_share_one_port_and_one_set_of_metrics_and_leave_nothing_behind(
    city_url, redis_url, tmp_path
):
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(temporary))
        with serving(
            tmp_path / "log", "--workers", "2", database_url=city_url, redis_url=redis_url, fresh=True
        ) as one:
            wait_until(
                lambda: sum("nearby index loaded" in line["message"] for line in one.log()) == 2,
                "both with an index",
            )
            for _ in range(40):  # each on a connection of its own, so that both get some
                assert httpx.get(f"{one.url}/v1/categories", trust_env=False).status_code == 200
            for _ in range(5):
                text = httpx.get(f"{one.url}/metrics", trust_env=False).text
                assert 'xinban_requests_total{route="/v1/categories",status="200"} 40.0' in text
                assert "xinban_index_sites 398.0" in text
            # A worker that dies is replaced.
            _, workers = children(one.process.pid)
            assert len(workers) == 2
            os.kill(workers[0], signal.SIGKILL)
            wait_until(
                lambda: sum("nearby index loaded" in line["message"] for line in one.log()) == 3, "a third"
            )
            assert httpx.get(f"{one.url}/v1/categories", trust_env=False).status_code == 200
            everybody, _ = children(one.process.pid)
            assert one.stop() == 0
    wait_until(lambda: not any(is_running(pid) for pid in everybody), "the end of all")
    assert list(temporary.iterdir()) == []


def test_the_worker_does_jobs_again_after_the_database_was_away(server_url, database_url, tmp_path):
    def jobs():
        with psycopg.connect(database_url) as connection:
            return dict(
                connection.execute(
                    "select task_name || ' ' || status, count(*) from procrastinate_jobs group by 1"
                )
            )

    def add():
        with psycopg.connect(database_url) as connection:
            connection.execute(
                "insert into procrastinate_jobs (queue_name, task_name, priority, args)"
                " values ('default', 'retry_stalled', 0, '{\"timestamp\": 0}')"
            )

    with running(tmp_path / "log", "worker", database_url=database_url) as one:
        add()
        wait_until(lambda: jobs().get("retry_stalled succeeded", 0) >= 1, "the first job")
        before = jobs()["retry_stalled succeeded"]
        close(server_url, database_url)
        wait_until(lambda: one.said("worker lost the database"), "the worker noticing")
        assert one.process.poll() is None
        reopen(server_url, database_url)
        add()
        wait_until(lambda: jobs()["retry_stalled succeeded"] > before, "a job after the database came back")
        assert one.stop() == 0
        assert one.said("worker stopped")


def test_a_worker_started_before_its_database_waits_and_stops_when_told(server_url, database_url, tmp_path):
    close(server_url, database_url)
    with running(tmp_path / "log", "worker", database_url=database_url, fresh=True) as one:
        wait_until(lambda: one.said("worker lost the database"), "the worker trying")
        assert one.stop() == 0


def test_a_job_whose_worker_died_is_done_by_another(database_url, tmp_path):
    with psycopg.connect(database_url, autocommit=True) as connection:
        ((dead,),) = connection.execute(
            "insert into procrastinate_workers (last_heartbeat) values (now() - interval '1 hour') returning id"
        ).fetchall()
        ((job,),) = connection.execute(
            "insert into procrastinate_jobs (queue_name, task_name, priority, args, status, worker_id)"
            " values ('default', 'remove_finished', 0, '{\"timestamp\": 0}', 'doing', %s) returning id",
            (dead,),
        ).fetchall()
        with running(tmp_path / "log", "worker", database_url=database_url):
            # At its start a worker forgets the dead, and the periodic task frees their jobs.
            connection.execute(
                "insert into procrastinate_jobs (queue_name, task_name, priority, args)"
                " values ('default', 'retry_stalled', 0, '{\"timestamp\": 0}')"
            )
            wait_until(
                lambda: connection.execute(
                    "select 1 from procrastinate_jobs where id = %s and status = 'succeeded' and attempts > 0",
                    (job,),
                ).fetchone(),
                "the dead worker's job",
            )


def test_the_periodic_tasks_are_registered(database_url):
    from api.worker import make_jobs
    from core.settings import Settings

    jobs = make_jobs(Settings(database_url=database_url))
    crons = {periodic.task.name: periodic.cron for periodic in jobs.periodic_registry.periodic_tasks.values()}
    assert crons == {
        "retry_stalled": "*/5 * * * *",
        "remove_finished": "17 4 * * *",
        "seal_audit": "* * * * *",
        "apply_closures": "*/5 * * * *",
        "generate_slots": "7 * * * *",
        "close_slots": "* * * * *",
        "return_blocks": "* * * * *",
        "book_standing": "* * * * *",
        "tend_queues": "* * * * *",
        "mark_absences": "11,41 * * * *",
        "forget_sync_items": "37 3 * * *",
        "remind": "* * * * *",
        "escalate_complaints": "*/10 * * * *",
        "imports.purge": "10 19 * * *",
        "purge_personal_data": "40 19 * * *",
    }
