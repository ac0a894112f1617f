"""What names, aliases and addresses are found by, before PostgreSQL comes in."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from geo.search.pinyin import readings, words_of
from geo.search.words import document_terms, normalise, query_terms, tsvector_literal
from tests.geo.text_search import finds, read_tsvector

NAME = "中川镇第三社区老年助餐点"
ADDRESS = "兰州新区中川镇纬一路128号B2座"
han = st.text(
    st.sampled_from("兰州新区中川镇第三社区老年助餐点健身步道重庆路长乐行厦门诊所号一二三"),
    min_size=1,
    max_size=20,
)
mixed = st.text(st.sampled_from("中川镇第三社区助餐点路号座B2128ab -，·（）"), min_size=1, max_size=30)


@pytest.mark.parametrize(
    "q",
    [
        *("点", "助餐", "助餐点", "老年助餐", "中川镇", "社区 助餐", "助餐，中川", NAME),
        *(
            "zcd",
            "ZCD",
            "lnzcd",
            "zczdssqlnzcd",
            "zhucandian",
            "zhucan",
            "zhuc",
            "zhu can dian",
            "zhu'can'dian",
        ),
        *("zhùcāndiǎn", "ｚｃｄ", "laonianzhucandian", "zhongchuanzhendisanshequlaonianzhucandian"),
        *(
            "中川zcd",
            "中川 zcd",
            "zcd中川",
            "纬一路",
            "128号",
            "128 号",
            "128",
            "路128号",
            "纬一路128号",
            "１２８号",
        ),
        *("B2座", "b2", "B2", "助餐 128号", "zcd 纬一路"),
    ],
)
def test_a_meal_point_is_found_however_it_is_asked_for(q: str) -> None:
    assert finds(q, NAME, address=ADDRESS)


@pytest.mark.parametrize(
    "q", ["诊", "步道", "助餐站", "12号", "28号", "1", "zhucandain", "zdc", "B3座", "z", "餐助", "中川 诊所"]
)
def test_what_it_is_not_does_not_find_it(q: str) -> None:
    assert not finds(q, NAME, address=ADDRESS)


def test_single_characters_are_searched_in_names_and_aliases_but_not_in_addresses() -> None:
    assert finds("诊", "口腔诊所")
    assert finds("诊", "华山医务", "诊所")
    assert not finds("路", "口腔诊所", address="纬一路128号")
    assert finds("A座", "口腔诊所", address="创新大厦A座")


@pytest.mark.parametrize(
    ("q", "name"),
    [
        *((q, "健身步道") for q in ("jsbd", "jianshenbudao", "budao", "步道", "健身步道")),
        *((q, "新舟社区零工驿站") for q in ("lgyz", "linggong", "yizhan", "xzsqlgyz")),
        *((q, "日间照料中心") for q in ("rjzlzx", "zhaoliao", "zhongxin")),
        *((q, "什川镇卫生院") for q in ("shichuan", "scz", "wsy")),
        *((q, "绿园幼儿园") for q in ("lvyuan", "lüyuan", "lǜ yuán", "yey")),
        *((q, "KTV俱乐部") for q in ("ktv", "Ktv俱乐部", "julebu")),
    ],
)
def test_words_inside_a_name_begin_spellings_of_their_own(q: str, name: str) -> None:
    assert finds(q, name)


@pytest.mark.parametrize(
    ("name", "found_by"),
    [
        ("重离子医院", ["zhongliziyiyuan", "chonglizi", "zlzyy", "clzyy"]),
        ("重庆路小学", ["chongqinglu", "cql"]),
        ("长川村卫生室", ["changchuan", "cccws"]),
        ("长者食堂", ["zhangzhe", "changzhe", "zzst"]),
        ("乐活社区", ["lehuo", "yuehuo"]),
        ("厦门路诊所", ["xiamen", "xml"]),
        ("银行", ["yinhang"]),
        ("堡子村", ["baozi", "puzi", "buzi"]),
    ],
)
def test_characters_with_two_readings_are_found_by_either_where_the_word_leaves_it_open(
    name: str, found_by: list[str]
) -> None:
    assert [q for q in found_by if not finds(q, name)] == []


def test_a_word_that_settles_the_reading_is_not_indexed_under_the_other() -> None:
    assert not finds("yinxing", "银行")
    assert readings("大厦") == (("da", "sha"),)


def test_own_words_stay_whole_inside_longer_names() -> None:
    assert "助餐点" in words_of("第三社区助餐点")
    assert "健身步道" in words_of("滨河健身步道")
    assert "菜市场" in words_of("中川镇第三菜市场")
    assert "卫生院" in words_of("新安社区卫生院")  # 社区卫生 is a word too


def test_punctuation_inside_a_name_does_not_hide_it_from_a_query_without() -> None:
    assert finds("中川镇助餐点", "中川镇·助餐点")
    assert finds("餐点中川", "助餐点（中川店）")
    assert finds("zhongchuanzhenzhucan", "中川镇·助餐点")
    assert finds("助餐点（中川）", "助餐点中川店")


def test_a_lexeme_takes_the_weight_of_the_best_text_that_holds_it() -> None:
    terms = document_terms("中川助餐点", ["中川食堂"], "中川镇食堂街9号")
    assert "中川" in terms.weighted("A")
    assert "食堂" in terms.weighted("B")
    assert {"川镇", "9号", "街9", "9"} <= set(terms.weighted("C"))
    assert "st" in terms.weighted("B")
    assert not any(re.fullmatch("[a-z]+", lexeme) for lexeme in terms.weighted("C"))  # no pinyin of addresses


def test_places_follow_the_characters_so_that_words_that_touch_rank_first() -> None:
    places = read_tsvector(tsvector_literal(document_terms("老年助餐点", ["食堂"])))
    assert (places["老年"], places["助餐"], places["餐点"], places["zcd"]) == ("1A", "3A", "4A", "3A")
    assert int(places["食堂"][:-1]) > 10  # not next to the name's end
    dotted = document_terms("中川·食堂").places
    assert (dotted["中川"], dotted["食堂"]) == ("1A", "3A")


def test_trigram_text_of_a_typo_or_a_wrong_character_is_near_that_of_the_name() -> None:
    def trigrams(word: str) -> set[str]:
        padded = f"  {word} "
        return {padded[i : i + 3] for i in range(len(padded) - 2)}

    words = document_terms(NAME).latin.split()
    assert "zhucandian" in words
    for q in ("zhucandain", "zhucandina", "助残点", "zhu can dain"):
        asked = trigrams(query_terms(q).latin)
        assert max(len(asked & trigrams(word)) / len(asked) for word in words) > 0.5, q


@given(name=han, data=st.data())
def test_any_piece_of_a_chinese_name_finds_it(name: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(name) - 1))
    end = data.draw(st.integers(start + 1, len(name)))
    assert finds(name[start:end], name)
    assert finds(name[start:end], "别名", name)


@given(text=mixed.filter(lambda t: any(c.isalnum() for c in t)))
@example(text="128 号")
@example(text="号1号")
@example(text="A座 2")
def test_a_name_or_an_address_finds_itself(text: str) -> None:
    assert finds(text, text)
    if not re.search(
        r"(^|[^\w])[^\W\da-zA-Z]([^\w]|$)", text
    ):  # a lone character is not searched in addresses
        assert finds(text, "某处", address=text)


def test_width_case_marks_and_invisible_characters_do_not_matter() -> None:
    assert normalise("ＡＢＣ１２３") == "abc123"
    assert normalise("Zhù\u200bcān Lǜ NÜ") == "zhucan lv nv"
    assert normalise("①②㎡") == "12m2"


def test_traditional_characters_are_matched_as_written() -> None:
    assert not finds("診所", "诊所")
    assert finds("診所", "診所")
