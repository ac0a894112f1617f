"""Lexemes that say where they stand, and questions about some of them. No database."""

import pytest

from geo.search.stored import Among, asked_text, loosened, stored_text
from geo.search.words import document_terms, query_terms
from tests.geo.text_search import read_tsvector, tsquery_matches

SITE = stored_text(document_terms("瑞岭助餐点", ["幸福食堂"], "中川镇纬一路B2座"), "meal_point")


@pytest.mark.parametrize(
    ("q", "found_among"),
    [
        ("助餐", ("names", "aliases", "everything")),
        ("zcd", ("names", "aliases", "everything")),
        ("zhu can", ("names", "aliases", "everything")),
        ("食堂", ("aliases", "everything")),
        ("瑞岭食堂", ()),
        ("瑞岭 食堂", ("aliases", "everything")),
        ("中川", ("everything",)),
        ("助餐 中川 shitang", ("everything",)),
        ("b2", ("everything",)),
        ("餐馆", ()),
    ],
)
def test_a_question_reads_the_texts_it_is_about(q: str, found_among: tuple[Among, ...]) -> None:
    lexemes = read_tsvector(SITE)
    groups: tuple[Among, ...] = ("names", "aliases", "everything")
    assert tuple(g for g in groups if tsquery_matches(asked_text(query_terms(q), g), lexemes)) == found_among


def test_a_lexeme_of_several_texts_stands_in_the_best() -> None:
    lexemes = read_tsvector(
        stored_text(document_terms("中川食堂", ["中川饭店"], "中川镇饭店路"), "meal_point")
    )
    assert {"中川", "^饭店", "~川镇"} <= set(lexemes)
    assert not {"^中川", "~中川", "饭店", "~饭店"} & set(lexemes)


@pytest.mark.parametrize(
    ("categories", "found"), [(["meal_point"], True), (["clinic", "meal_point"], True), (["clinic"], False)]
)
def test_a_question_may_be_limited_to_categories(categories: list[str], found: bool) -> None:
    asked = asked_text(query_terms("助餐"), "names", categories)
    assert tsquery_matches(asked, read_tsvector(SITE)) is found


@pytest.mark.parametrize("q", [":meal_point", "^食堂助", "~中川助", "meal_point"])
def test_marks_cannot_be_typed(q: str) -> None:
    assert not tsquery_matches(asked_text(query_terms(q), "names"), read_tsvector(SITE))


@pytest.mark.parametrize(
    ("q", "same_as"),
    [
        ("中川镇助餐点", "中川镇 助餐点"),
        ("纬一路128号诊所", "纬一路128号 诊所"),
        ("中川镇zcd", None),
        ("助餐点", None),
        ("zhucandian", None),
        ("中川镇 助餐点", None),
        ("", None),
    ],
)
def test_a_looser_question_asks_by_words(q: str, same_as: str | None) -> None:
    looser = loosened(q)
    assert (looser and looser.clauses) == (same_as and query_terms(same_as).clauses)
