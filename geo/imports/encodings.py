"""Which encoding a Chinese text file is in: strict decoding and plausibility, never replacement characters.

A GB18030 file often decodes as Big5 without an error, into nonsense, and the other way round. Both are tried and what
comes out is compared with the characters Chinese text is mostly made of; when that does not decide, the clerk does.
"""

import codecs
from dataclasses import dataclass
from pathlib import Path

from geo.errors import ImportRefused

CHUNK_BYTES = 1 << 20
SAMPLE_CHARACTERS = 200_000
# Frequent characters, simplified and traditional, of running text and of lists of services and addresses. Real files
# score 0.3 to 0.7; the wrong one of GB18030 and Big5 scores below 0.1 (tests/geo/imports/test_encodings.py).
FREQUENT = frozenset(
    "的一是不了在人有我他这個个們们中來来上大為为和國国地到以說说時时要就出會会可也你對对生能而子那得于著着下自之年過过發发後后"
    "作里裡用道行所然家種种事成方多經经麼么去法學学如都同現现當当沒没動动面起看定天分還还進进好小部其些主樣样理心她本前開开"
    "但因只從从想實实日軍军者意無无力它與与長长把機机十民第公此已工使情明性知全三又關关點点正業业外將将兩两高間间由問问很最"
    "重並并物手應应戰战向頭头文體体政美相見见被利什二等產产或新己制身果加西斯月話话合回特代內内信表化老給给世位次度門门任"
    "常先海通教兒儿原東东聲声提立及比員员解水名真論论處处走義义各入幾几口認认條条平系氣气題题活爾尔更別别打女變变四神總总"
    "何電电數数安少報报才結结反受目太量再感建務务做接必場场件計计管期市直德資资命山金指克許许統统區区保至隊队形社便空決决"
    "治展馬马科司五基眼書书非則则聽听白卻却界達达光放強强即像難难且權权思王象完設设式色路記记南品住告類类求據据程北邊边死"
    "張张該该交規规萬万取拉格望覺觉術术領领共確确傳传師师觀观清今切院讓让識识候帶带導导爭争運运"
    "縣县鎮镇鄉乡街村號号樓楼室弄巷段鄰邻村里路園园校幼醫医診诊衛卫療疗站所廳厅館馆店服務务養养護护託托餐助照顧顾話電"
    "址類型編编屬属性私立公辦办營营經度緯纬度備备註注時開放免費费週周星期上午下午假節节休息負责責聯联系業負蘭兰州新秦川"
    "床總总收容安智失長期財财團团法附設臺台北高中山正義义松信大同士林文萬華华内湖南港永和仁愛爱忠孝"
)
PLAUSIBLE = 0.2
CANDIDATES = ("gb18030", "big5")
NAMES = {"gb18030": "GB18030", "big5": "Big5", "utf-8": "UTF-8", "utf-8-sig": "UTF-8 BOM", "utf-16": "UTF-16"}


@dataclass(frozen=True)
class Guess:
    """What one encoding makes of a file: share of frequent characters among all non-ASCII ones, and a line to show.

    `doubtful`: there are non-ASCII characters, and all are below U+0800. In UTF-8 those are two bytes, as in GB18030:
    一 is D2 BB there, which is a Cyrillic letter in UTF-8. A Chinese file in UTF-8 has three-byte characters.
    """

    encoding: str
    score: float
    sample: str
    doubtful: bool


def detect_encoding(path: Path) -> str:
    """The encoding of a whole text file: utf-8-sig, utf-16, utf-8, gb18030 or big5.

    Raises ImportRefused, showing a line as each candidate reads it, when none or more than one is plausible.
    """
    with path.open("rb") as file:
        head = file.read(4)
    if head.startswith(codecs.BOM_UTF8):
        return _whole("utf-8-sig", path)
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return _whole("utf-16", path)
    utf8 = _decodes(path, "utf-8")
    guesses = [guess for name in CANDIDATES if (guess := _decodes(path, name))]
    if utf8 is not None and not (utf8.doubtful and _looks_chinese(guesses)):
        return "utf-8"
    return choose(guesses, path.name)


def detect_bytes(data: bytes, name: str) -> str:
    """The same for text cut out of another format, such as the cells of a .dbf."""
    guesses = []
    for encoding in ("utf-8", *CANDIDATES):
        try:
            guesses.append(_score(encoding, data.decode(encoding)))
        except UnicodeDecodeError:
            continue
    if guesses and guesses[0].encoding == "utf-8":
        utf8 = guesses.pop(0)
        if not (utf8.doubtful and _looks_chinese(guesses)):
            return "utf-8"
    return choose(guesses, name)


def _looks_chinese(guesses: list[Guess]) -> bool:
    return any(guess.score >= PLAUSIBLE for guess in guesses)


def choose(guesses: list[Guess], name: str) -> str:
    """The one plausible guess. Raises ImportRefused otherwise."""
    ranked = sorted(guesses, key=lambda guess: -guess.score)
    second = ranked[1].score if len(ranked) > 1 else 0.0
    if ranked and ranked[0].score >= PLAUSIBLE and ranked[0].score >= 2.0 * second + 0.05:
        return ranked[0].encoding
    if not ranked:
        raise ImportRefused(
            f"{name} 不是完整的 UTF-8、GB18030 或 Big5 文本，请用表格软件另存为“CSV UTF-8”。",
            f"{name} is not whole UTF-8, GB18030 or Big5 text: save it as “CSV UTF-8” from a spreadsheet program.",
        )
    shown = "；".join(f"{NAMES[guess.encoding]}：{guess.sample}" for guess in ranked)
    choices = " / ".join(f"--encoding {guess.encoding}" for guess in ranked)
    raise ImportRefused(
        f"无法确定 {name} 的文字编码。哪一行读得通就用哪个：{shown}。请加 {choices}。",
        f"The encoding of {name} is uncertain. Read these and choose: {shown}. Add {choices}.",
    )


def check_encoding(path: Path, encoding: str) -> str:
    """The encoding that the clerk named, if the whole file is valid in it. Raises ImportRefused."""
    try:
        name = codecs.lookup(encoding).name
    except LookupError:
        raise ImportRefused(
            f"不认识编码 {encoding}，可用 utf-8、gb18030、big5。",
            f"There is no encoding {encoding}: use utf-8, gb18030 or big5.",
        ) from None
    with path.open("rb") as file:
        bom = file.read(3) == codecs.BOM_UTF8
    if name in ("gbk", "gb2312"):  # a superset that also holds the characters these lack
        name = "gb18030"
    return _whole("utf-8-sig" if bom and name == "utf-8" else name, path)


def _whole(encoding: str, path: Path) -> str:
    if _decodes(path, encoding) is None:
        raise ImportRefused(
            f"{path.name} 不是完整的 {NAMES.get(encoding, encoding)} 文本，可能被截断或混用了编码。",
            f"{path.name} is not whole {NAMES.get(encoding, encoding)} text: cut short, or of mixed encodings.",
        )
    return encoding


def _decodes(path: Path, encoding: str) -> Guess | None:
    """What `encoding` makes of the file; None when a byte of it does not decode. Reads in pieces."""
    decoder = codecs.getincrementaldecoder(encoding)(errors="strict")
    sample: list[str] = []
    room = SAMPLE_CHARACTERS
    try:
        with path.open("rb") as file:
            while data := file.read(CHUNK_BYTES):
                text = decoder.decode(data)
                if room > 0:
                    sample.append(text[:room])
                    room -= len(sample[-1])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return None
    return _score(encoding, "".join(sample))


def _score(encoding: str, text: str) -> Guess:
    foreign = [character for character in text if character > "\x7f"]
    # Punctuation and full-width letters say little, and are the same share in both.
    hanzi = [
        character for character in foreign if not "\u2010" <= character <= "\u303f" and character < "\uff00"
    ]
    score = sum(character in FREQUENT for character in hanzi) / len(hanzi) if hanzi else 0.0
    lines = (line.strip() for line in text.splitlines())
    sample = next((line for line in lines if any(character > "\x7f" for character in line)), "")
    doubtful = bool(foreign) and max(foreign) < "\u0800"
    return Guess(encoding, score, sample[:40], doubtful)
