"""The statements of search. Each finds and ranks matches of one question, in the shape (id, tier, distance_m).

Parameters: ``asked``, ``names``, ``aliases`` (text of a tsquery), ``names_only`` (bool), ``text`` (the query as
typed), ``categories`` (codes or null; ``asked`` holds them too), ``lon``, ``lat`` (WGS84, both may be
null), ``neighbours`` (of a walk), ``limit``.

They are planned anew each time (``prepare=False``; 0.3 ms): a plan made for any word is bad for some. Their shape leaves
the planner little to choose all the same: left to itself it may read both tables whole, side by side in the order of
their ids. So each site is fetched by primary key, one at a time, in a lateral subquery with a limit of its own.
"""

CANDIDATES = 1500  # matches ranked at most; finding and ranking one takes 5 µs
NEIGHBOURS = 3000  # sites walked over at most, 6 µs each
FIRST_NEIGHBOURS = 500  # where these hold too few to hope for enough among all, the rest are not walked over

POINT = "st_setsrid(st_makepoint(%(lon)s::float8, %(lat)s::float8), 4326)"

# `<->` of geography is spherical and fifty times faster than st_distance: it orders twice as many as are asked for.
_RANK = f"""
select id, tier, st_distance(geom::geography, {POINT}::geography) as distance_m
from (
    select id, geom, case
            when strpos({{name}}, %(text)s) > 0 then case when length(name) = length(%(text)s) then 0 else 1 end
            when %(names_only)s or terms @@ %(names)s::tsquery then 2
            when terms @@ %(aliases)s::tsquery then 3
            else 4
        end as tier
    from found order by tier, geom::geography <-> {POINT}::geography, id limit 2 * %(limit)s
) ranked
order by tier, distance_m, id limit %(limit)s
"""
CASELESS = _RANK.format(name="name")  # most queries are Chinese, and lower() costs as much as all the rest
CASED = _RANK.format(name="lower(name)")

_VISIBLE_SITE = """cross join lateral (
    select id, name, geom from site
    where id = match.site_id and published_at is not null and status <> 'inactive' limit 1
) s"""

# Every match. When there are more than CANDIDATES, one row of nulls instead, after a third of the work.
BY_INDEX = f"""
with match as materialized (
    select site_id, terms from site_search where terms @@ %(asked)s::tsquery limit {CANDIDATES + 1}
), too_many as materialized (
    select count(*) > {CANDIDATES} as so from match
), found as materialized (
    select s.id, s.name, s.geom, match.terms from match {_VISIBLE_SITE} where not (select so from too_many)
)
({{rank}}) union all select null, null, null from too_many where so
"""

# The first CANDIDATES matches, in the order rows lie in the table.
FIRST_BY_INDEX = f"""
with found as materialized (
    select s.id, s.name, s.geom, match.terms from site_search match {_VISIBLE_SITE}
    where match.terms @@ %(asked)s::tsquery limit {CANDIDATES}
)
{{rank}}
"""

# Sites one by one, each with its terms. Ask for half as many again as are wanted: the nearest in degrees (three times as
# fast as geography) fill an ellipse in metres, and the circle inside it holds cos(latitude) of them, 4/5 here.
_WALK = """
with found as materialized (
    select near.id, near.name, near.geom, t.terms
    from (
        select id, name, geom, category_code, published_at, status from site order by {order} limit %(neighbours)s
    ) near
    cross join lateral (
        select terms from site_search where site_id = near.id and terms @@ %(asked)s::tsquery limit 1
    ) t
    where near.published_at is not null and near.status <> 'inactive'
        and (%(categories)s::text[] is null or near.category_code = any(%(categories)s::text[]))
    limit %(limit)s
)
{{rank}}
"""
BY_DISTANCE = _WALK.format(order=f"geom <-> {POINT}")
BY_ID = _WALK.format(order="id")

# How many sites the planner thinks a question matches, from the statistics of the column.
EXPECTED = "explain (format json) select from site_search where terms @@ %s::tsquery"
