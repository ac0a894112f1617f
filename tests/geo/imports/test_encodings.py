"""GB18030, Big5 and UTF-8 told apart, or asked for; never guessed into nonsense."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geo.errors import ImportRefused
from geo.imports.encodings import FREQUENT, detect_bytes, detect_encoding
from tests.geo.imports.files import SHARED, codes, mapping_of, needs_shared, read, write_csv

SIMPLIFIED = [("1", "中川镇老年助餐点", 103.57, 36.51), ("2", "秦川社区日间照料中心", 103.58, 36.52)]
TRADITIONAL = [("1", "臺北市老人日間照顧中心", 121.5, 25.03), ("2", "信義區服務中心", 121.5, 25.04)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
def test_a_chinese_csv_reads_the_same_in_every_encoding(tmp_path, encoding):
    sites, report = read(write_csv(tmp_path / "a.csv", SIMPLIFIED, encoding=encoding), mapping_of())
    assert [site.name for site in sites] == [row[1] for row in SIMPLIFIED]
    assert codes(report) == ["encoding"]


def test_a_gb18030_file_that_also_decodes_as_big5_is_read_as_gb18030(tmp_path):
    path = write_csv(
        tmp_path / "a.csv", [("1", "老年中心", 103.57, 36.51)], ("编号", "名称", "lon", "lat"), "gb18030"
    )
    assert path.read_bytes().decode("big5").isascii() is False  # it decodes, into nonsense
    assert detect_encoding(path) == "gb18030"


@needs_shared
def test_a_real_list_in_big5_that_also_decodes_as_gb18030_is_read_as_big5(tmp_path):
    text = (SHARED / "peers/taiwan/taipei_day_care.csv").read_text("utf-8-sig")
    path = tmp_path / "big5.csv"
    path.write_bytes(text.encode("big5"))
    assert path.read_bytes().decode("gb18030")  # it decodes, into nonsense
    assert detect_encoding(path) == "big5"


def test_when_both_readings_are_possible_the_clerk_is_shown_both_and_asked(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b"id,name,lon,lat\n1," + "鑫淼淼鑫".encode("gb18030") + b",103.5,36.5\n")
    with pytest.raises(ImportRefused) as refusal:
        detect_encoding(path)
    assert "--encoding gb18030" in refusal.value.detail_en
    assert "--encoding big5" in refusal.value.detail_en
    assert "鑫淼淼鑫" in refusal.value.detail_zh
    assert "鑫淼淼鑫".encode("gb18030").decode("big5") in refusal.value.detail_zh


def test_a_named_encoding_wins_but_must_fit_the_whole_file(tmp_path):
    header = ("編號", "名稱", "經度", "緯度")
    path = write_csv(tmp_path / "b.csv", TRADITIONAL, header, "big5")
    mapping = mapping_of(external_id="編號", fields={"name": "名稱"}, geometry={"lon": "經度", "lat": "緯度"})
    sites, _ = read(path, mapping, encoding="big5")
    assert sites[0].name == "臺北市老人日間照顧中心"
    with pytest.raises(ImportRefused, match="UTF-8"):
        read(path, mapping, encoding="utf-8")
    with pytest.raises(ImportRefused, match="no encoding klingon"):
        read(path, mapping, encoding="klingon")


def test_latin_text_in_utf8_is_not_taken_for_chinese(tmp_path):
    path = write_csv(
        tmp_path / "a.csv", [("1", "Café Zürich Ørsted", 103.57, 36.51)], ("id", "name", "lon", "lat")
    )
    assert path.read_bytes().decode("gb18030")
    assert detect_encoding(path) == "utf-8"


def test_a_file_cut_inside_a_character_is_refused_not_patched(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes("编号,名称\n1,中川镇".encode()[:-1])
    with pytest.raises(ImportRefused):
        detect_encoding(path)


@given(st.lists(st.sampled_from(sorted(FREQUENT)), min_size=12, max_size=60))
def test_frequent_characters_in_gb18030_are_never_taken_for_big5(characters):
    text = "".join(characters)
    data = text.encode("gb18030")
    try:
        found = detect_bytes(data, "sample")
    except ImportRefused:
        return  # asking is always allowed
    assert data.decode(found) == text
