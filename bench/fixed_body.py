"""A nearby page of 20 items as long as real ones, fixed."""

import orjson

ITEM = {
    "id": "01a20bdf-c805-74ce-ad29-b82e41200121",
    "name": "彩虹城社区第一百二十八老年助餐点",
    "category": "meal_point",
    "address": "兰州新区中川镇彩虹城社区纬九路516号",
    "area": "彩虹城社区",
    "phone": "0931-555-8098",
    "status": "active",
    "features": ["dine_in", "takeaway", "wheelchair"],
    "version": 1,
    "location": {"lon": 103.6224164, "lat": 36.4792166},
    "distance_m": 732.3,
    "open": {"state": "open", "until": "2026-11-24T13:00:00+08:00", "reason": None},
}
FIXED_BODY = orjson.dumps({"items": [ITEM] * 20, "next": None, "crs": "gcj02"})
