"""What the database must say after a storm, from the record of its clients alone."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from tests.concurrency.booking_storm import Operation
from tests.concurrency.booking_world import World

MAKING = ("reserve", "hold", "copy")
# SQL of the judge's own, not of the checks that ship: two would have to be wrong alike.
OVERSOLD = """
select slot.id::text, people.count, places.count
from slot
join (select slot_id, sum(party_size) as count from reservation
    where state in ('held', 'confirmed', 'checked_in', 'no_show') group by slot_id) as people on people.slot_id = slot.id
join (select slot_id, sum(capacity) as count from slot_bucket group by slot_id) as places on places.slot_id = slot.id
where people.count > places.count
"""
ENTRY_ORDER = "select id::text, number, slot_id::text, state, party_size, tiers from waitlist_entry"
STATES = "select id::text, state, slot_id::text, person_id::text from reservation"


def judge(world: World, record: list[Operation]) -> list[str]:
    """All that contradicts the record, in words; nothing when all is well."""
    return [
        *oversold(world),
        *lost(world, record),
        *replays(record),
        *unordered(world, record),
        *(f"{code}: {count} differences" for code, count in world.findings().items()),
    ]


def oversold(world: World) -> Iterator[str]:
    for slot, people, places in world.sql(OVERSOLD):
        yield f"oversold: {people} people on {places} places of slot {slot}"


def lost(world: World, record: list[Operation]) -> Iterator[str]:
    """What was acknowledged, and is not so; where outcomes are unknown either may be."""
    now: dict[str, tuple[Any, ...]] = {row[0]: row for row in world.sql(STATES)}
    entries = {
        row[0]: row for row in world.sql("select id::text, reservation_id::text, state from waitlist_entry")
    }
    about: dict[str, list[Operation]] = defaultdict(list)
    for one in record:
        subject = one.subject
        if one.kind in ("accept", "decline") and subject in entries:
            subject = entries[subject][1]
        if subject is not None:
            about[subject].append(one)
    for one in record:
        if one.outcome != "ok" or one.answer is None:
            continue
        if one.kind in MAKING:
            said = one.answer.json()
            found = now.get(said["id"])
            if found is None:
                yield f"lost: reservation {said['id']} of operation {one.number}"
                continue
            if found[3] != said["person_id"]:
                yield f"given away: reservation {said['id']} of operation {one.number}"
            allowed = states_of(said["state"], about[said["id"]])
            if found[1] not in allowed:
                yield f"lost: reservation {said['id']} is {found[1]}, not {' or '.join(sorted(allowed))}"
            slots = {said["slot_id"]} | {
                each.call.body["slot_id"] if each.outcome != "ok" else each.answer.json()["slot_id"]
                for each in about[said["id"]]
                if each.kind == "reschedule"
                and each.outcome != "fail"
                and each.call
                and each.answer
                and (each.outcome == "ok" or "slot_id" in each.call.body)
            }
            doubtful = any(
                each.kind == "reschedule" and each.outcome == "unknown" for each in about[said["id"]]
            )
            if found[2] not in slots and not doubtful:
                yield f"moved: reservation {said['id']} is in slot {found[2]}"
        elif one.kind == "join" and one.answer.json()["id"] not in entries:
            yield f"lost: entry {one.answer.json()['id']} of operation {one.number}"
        elif one.kind == "accept":
            reservation = entries[one.subject][1] if one.subject in entries else None
            found = now.get(reservation or "")
            if found is None or found[1] not in states_of("confirmed", about[reservation or ""]):
                yield f"lost: the offer accepted by operation {one.number}"


def states_of(first: str, operations: list[Operation]) -> set[str]:
    """Where a reservation that began in ``first`` may be, given all that was tried with it."""
    tried: dict[str, set[str]] = defaultdict(set)
    for one in operations:
        tried[one.kind].add(one.outcome)
    maybe = {kind for kind, outcomes in tried.items() if outcomes & {"ok", "unknown"}}
    surely = {kind for kind, outcomes in tried.items() if "ok" in outcomes}
    if surely & {"cancel", "decline"}:
        return {"cancelled"}
    states = set()
    if first == "held" and "confirm" not in surely and "accept" not in surely:
        states.add("held")
        if "lapse" in maybe:
            states.add("expired")
    if first == "confirmed" or maybe & {"confirm", "accept"}:
        states.add("confirmed")
    if maybe & {"cancel", "decline"}:
        states.add("cancelled")
    return states


def replays(record: list[Operation]) -> Iterator[str]:
    """The same key is answered the same, byte for byte, whoever asks again and however often."""
    said: dict[str, set[tuple[int, bytes]]] = defaultdict(set)
    for one in record:
        if one.call is not None and one.call.method == "POST":
            said[one.call.key] |= {(each.status, each.content) for each in one.answers if each.ok}
    for key, answers in said.items():
        if len(answers) > 1:
            yield f"two answers under one key: {key}"
    # A replay of what was done is never a refusal.
    for one in record:
        if one.kind == "replay" and one.outcome == "fail":
            yield f"operation {one.number}, done before, was refused when sent again"


def unordered(world: World, record: list[Operation]) -> Iterator[str]:
    """Whoever had joined before another asked to is before them, and nobody went round whoever waits still."""
    rows = {row[0]: row for row in world.sql(ENTRY_ORDER)}
    joins: dict[str, list[Operation]] = defaultdict(list)
    for one in record:
        if one.kind == "join" and one.outcome == "ok" and one.subject in rows:
            joins[rows[one.subject][2]].append(one)
    for queue in joins.values():
        queue.sort(key=lambda one: one.sent_at)
        for at, one in enumerate(queue):
            for later in queue[at + 1 :]:
                if one.ended_at < later.sent_at and rows[one.subject][1] > rows[later.subject][1]:
                    yield f"operation {later.number} joined after {one.number} and is before it"
    for one in record:
        if one.kind not in MAKING or one.outcome != "ok" or one.answer is None or one.answer.replayed:
            continue
        said = one.answer.json()
        if said["mode"] is not None or said["seats"]:
            continue  # what else it takes, and where in the hall, is nobody's queue
        for joined in joins.get(said["slot_id"], ()):
            entry = rows[joined.subject]
            if joined.ended_at < one.sent_at and entry[3] == "waiting" and entry[4] <= said["party_size"]:
                yield f"operation {one.number} went round entry {entry[0]}"
