"""Rules as people read them."""

import pytest

from booking.availability.words import rules_in_words
from booking.models import Offering
from booking.rules.reading import read_rules


def words(**said):
    values = {"shape": "counted", "capacity_authority": "owned", "opens_days_before": 7, "assurance": "phone"}
    offering = Offering(
        **{**values, "closes_minutes_before": 0, "cancel_minutes_before": 0, "rules": {}, **said}
    )
    return rules_in_words(offering, read_rules(offering.rules))


ELDERS = [{"rule": "min_age", "value": 60}]


@pytest.mark.parametrize(
    ("rules", "zh", "en"),
    [
        ({"eligibility": ELDERS}, "年满 60 周岁", "60 or older"),
        (
            {"limits": [{"per": "week", "most": 2, "scope": "kind"}]},
            "同类项目每周最多 2 次",
            "at most 2 of this kind a week",
        ),
        (
            {"tiers": {"elder": {"who": ELDERS}}},
            "部分名额预留：年满 60 周岁",
            "some places are kept: 60 or older",
        ),
        (
            {"tiers": {"counter": {"channels": ["phone", "counter"]}}},
            "部分名额预留：窗口预约、电话预约",
            "some places are kept: booked at the desk or booked by telephone",
        ),
        (
            {"price": [{"rule": "discount", "value": 50, "who": ELDERS}]},
            "年满 60 周岁：优惠 50%",
            "60 or older: 50% off",
        ),
        ({"price": [{"rule": "discount", "value": 100}]}, "免费", "free"),
        ({"price": [{"rule": "fixed", "value": 1000}]}, "10 元", "10 yuan"),
        (
            {"price": [{"rule": "subsidy", "value": 250, "whole_party": True}]},
            "补贴 2.5 元（同行的人也是）",
            "2.5 yuan off (for the whole party)",
        ),
        ({"waitlist": {"enabled": False}}, "满员后不设候补", "there is no waiting list"),
        ({}, "满员后可候补", "one can wait for a place once it is full"),
    ],
)
def test_each_rule_is_a_short_sentence_in_both_languages(rules, zh, en):
    assert (zh, en) in words(rules=rules)


def test_what_is_booked_from_to_says_nothing_of_waiting():
    assert not [zh for zh, _ in words(shape="interval") if "候补" in zh]
