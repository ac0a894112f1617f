"""A mapping compiled into functions: cells of a row in, the words for each field out."""

import difflib
import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from hashlib import blake2b

from geo.errors import ImportRefused
from geo.imports.mapping import ANY, CategorySpec, FieldSpec, Mapping, When, template_columns
from geo.imports.rows import Cells
from geo.imports.values import LIST_SPLIT, PHONE_SPLIT, clean, tidy

DROP = "drop"  # as a category: leave the row out
KEEP = "keep"  # as `otherwise`: take a word that `translate` does not list as it is
DATES = ("assured_at",)  # TBC and NA are reported here; elsewhere they mean that there is nothing
ID_SEPARATOR = "\x1f"


class Untranslated(Exception):
    """A cell holds a word that `translate` does not list."""

    def __init__(self, value: str) -> None:
        super().__init__(value)
        self.value = value


Getter = Callable[[Cells], str]
Test = Callable[[Cells], bool]
Cleaner = Callable[[str], str]


@dataclass(frozen=True)
class Compiled:
    """A mapping ready to run. `category` returns a code, DROP, or an empty text."""

    mapping: Mapping
    getters: tuple[tuple[str, Getter], ...]
    splits: dict[str, re.Pattern[str]]
    constants: dict[str, str | tuple[str, ...]]
    external_id: Getter
    category: Getter
    dropped: Test
    categories: frozenset[str]
    columns: dict[str, str]  # field -> the column to name when it is wrong


def compile_mapping(mapping: Mapping, categories: Collection[str]) -> Compiled:
    """Raises ImportRefused when the mapping names a category that is not among `categories`."""
    _check_categories(mapping.category, categories)
    return Compiled(
        mapping,
        tuple(
            (name, _getter(spec, tidy if name in DATES else clean)) for name, spec in mapping.fields.items()
        ),
        {name: _split(name, spec) for name, spec in mapping.fields.items()},
        mapping.constants,
        _external_id(mapping.external_id),
        _category(mapping.category),
        _any_of([_test(when) for when in mapping.drop]),
        frozenset(categories),
        {name: _column(spec) for name, spec in mapping.fields.items()},
    )


def _check_categories(category: str | CategorySpec, known: Collection[str]) -> None:
    if isinstance(category, str):
        named: set[str] = {category}
    else:
        named = {*(category.translate or {}).values(), *(rule.category for rule in category.rules or ())}
        named |= {category.otherwise} if category.otherwise else set()
    unknown = sorted(named - set(known) - {DROP})
    if unknown:
        close = difflib.get_close_matches(unknown[0], list(known), n=3, cutoff=0.4)
        hint_zh = f"是不是 {'、'.join(close)}？" if close else ""
        hint_en = f" Perhaps {', '.join(close)}?" if close else ""
        raise ImportRefused(
            f"映射文件里的类别 {'、'.join(unknown)} 不存在。{hint_zh}可用：{'、'.join(sorted(known))}。",
            f"The mapping names categories that do not exist: {', '.join(unknown)}.{hint_en}",
            unknown=unknown,
        )


def _split(name: str, spec: FieldSpec) -> re.Pattern[str]:
    if spec.split is not None:
        return re.compile(spec.split)
    return PHONE_SPLIT if name == "phones" else LIST_SPLIT


def _column(spec: FieldSpec) -> str:
    if spec.column:
        return spec.column[0]
    names = template_columns(spec.template or "")
    return names[0] if names else ""


def _getter(spec: FieldSpec, clean_: Cleaner) -> Getter:
    get = _plain(spec, clean_)
    if spec.regex is not None:
        get = _regex(get, re.compile(spec.regex))
    if spec.translate is not None:
        get = _translate(get, spec.translate, spec.otherwise)
    if spec.default is not None:
        get = _default(get, spec.default)
    return get


def _plain(spec: FieldSpec, clean_: Cleaner = clean) -> Getter:
    if spec.template is not None:
        template, names = spec.template, template_columns(spec.template)

        def filled(cells: Cells) -> str:
            values = {name: clean(cells.get(name, "")) for name in names}
            if not all(values.values()):  # half a sentence is worse than none
                return ""
            return re.sub(r"\{([^{}]+)\}", lambda found: values[found.group(1)], template)

        return filled
    columns = spec.column or ()
    if len(columns) == 1:
        only = columns[0]
        return lambda cells: clean_(cells.get(only, ""))

    def first(cells: Cells) -> str:
        return next((value for column in columns if (value := clean_(cells.get(column, "")))), "")

    return first


def _regex(get: Getter, pattern: re.Pattern[str]) -> Getter:
    def matched(cells: Cells) -> str:
        found = pattern.search(get(cells))
        return clean(found.group(1 if pattern.groups else 0) or "") if found else ""

    return matched


def _translate(get: Getter, words: dict[str, str], otherwise: str | None) -> Getter:
    def translated(cells: Cells) -> str:
        value = get(cells)
        if value in words:
            return words[value]
        if not value or otherwise is not None:
            return value if otherwise == KEEP else otherwise or ""
        raise Untranslated(value)

    return translated


def _default(get: Getter, default: str) -> Getter:
    return lambda cells: get(cells) or default


def _external_id(columns: tuple[str, ...]) -> Getter:
    """The source's own number, or a digest of several columns for a source that has none."""
    if len(columns) == 1:
        only = columns[0]
        return lambda cells: cells.get(only, "").strip()

    def digest(cells: Cells) -> str:
        values = [cells.get(column, "").strip() for column in columns]
        if not any(values):
            return ""
        return blake2b(ID_SEPARATOR.join(values).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()

    return digest


def _category(spec: str | CategorySpec) -> Getter:
    if isinstance(spec, str):
        return lambda _: spec
    if spec.column is not None:
        get: Getter = _plain(FieldSpec(column=(spec.column,)))
        if spec.translate is not None:
            return _translate(get, spec.translate, spec.otherwise)
        return _default(get, spec.otherwise) if spec.otherwise else get
    rules = [(_test(rule.when), rule.category) for rule in spec.rules or ()]
    otherwise = spec.otherwise or ""

    def by_rule(cells: Cells) -> str:
        return next((category for test, category in rules if test(cells)), otherwise)

    return by_rule


def _test(when: When) -> Test:
    """All columns hold one of their values; `*` is any value, an empty text is none."""
    conditions = [(column, frozenset(values)) for column, values in when.items()]

    def holds(cells: Cells) -> bool:
        for column, values in conditions:
            value = cells.get(column, "").strip()
            if value not in values and not (value and ANY in values):
                return False
        return True

    return holds


def _any_of(tests: Iterable[Test]) -> Test:
    tests = tuple(tests)
    return lambda cells: any(test(cells) for test in tests)
