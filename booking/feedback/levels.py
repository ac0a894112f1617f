"""The five levels (1 很不满意 … 5 很满意), and what people may tick beside them: all as data."""

from collections.abc import Mapping

LEVELS: Mapping[int, tuple[str, str]] = {
    1: ("很不满意", "very dissatisfied"),
    2: ("不满意", "dissatisfied"),
    3: ("一般", "neither"),
    4: ("满意", "satisfied"),
    5: ("很满意", "very satisfied"),
}
TAGS: Mapping[str, tuple[str, str]] = {
    "friendly": ("态度好", "friendly"),
    "unfriendly": ("态度差", "unfriendly"),
    "quick": ("不用久等", "quick"),
    "long_wait": ("等得太久", "a long wait"),
    "clean": ("干净整洁", "clean"),
    "dirty": ("卫生差", "not clean"),
    "tasty": ("饭菜可口", "good food"),
    "bland": ("饭菜不好", "poor food"),
    "fair_price": ("价格公道", "fairly priced"),
    "expensive": ("价格偏贵", "expensive"),
    "accessible": ("方便老人和轮椅", "easy for old people and wheelchairs"),
    "hard_to_reach": ("行动不便者不方便", "hard for those who walk badly"),
}
