"""Triggers: what changed (for the nearby index) and no overlapping school districts."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# Every process keeps an index of published sites. Who changes a site, by whatever path, marks it with the id of the
# transaction; PostgreSQL folds equal notifications of one transaction into one.
MARK_SITES = """
create function mark_sites_changed() returns trigger language plpgsql as $$
begin
    execute format(
        'insert into site_change (site_id, xid) select distinct %I, pg_current_xact_id() from changed'
        ' on conflict (site_id) do update set xid = excluded.xid where site_change.xid <> excluded.xid', tg_argv[0]);
    perform pg_notify('xinban_geo', 'site');
    return null;
end $$
"""

NOTIFY = """
create function notify_geo() returns trigger language plpgsql as $$
begin
    perform pg_notify('xinban_geo', tg_argv[0]);
    return null;
end $$
"""

# The lock makes two editors of one stage take turns; what the first committed is visible to the second because each
# statement of a volatile function reads afresh under READ COMMITTED. Shared borders intersect in a line, of area 0;
# the 1 m2 lets through what drawing tools round.
NO_OVERLAP = """
create function refuse_overlapping_district() returns trigger language plpgsql as $$
declare
    other record;
begin
    perform pg_advisory_xact_lock(hashtext('school_district'), hashtext(new.stage));
    select d.id, d.name into other
    from school_district d
    where d.stage = new.stage
      and d.id <> new.id
      and daterange(d.effective_from, d.effective_to) && daterange(new.effective_from, new.effective_to)
      and st_intersects(d.geom, new.geom)
      and st_area(st_intersection(d.geom, new.geom)::geography) > 1.0
    limit 1;
    if found then
        raise exception 'school district % overlaps %', new.name, other.name
            using errcode = 'exclusion_violation', constraint = 'school_district_no_overlap',
                  table = 'school_district', detail = other.id::text;
    end if;
    return new;
end $$
"""

SITE_TABLES = {
    "site": "id",
    "phone": "site_id",
    "hours_exception": "site_id",
}
TABLES_BY_PAYLOAD = {
    "calendar": ("calendar_year", "calendar_day", "school_term"),
    "reload": ("category", "area"),
}


def upgrade() -> None:
    op.execute(MARK_SITES)
    op.execute(NOTIFY)
    op.execute(NO_OVERLAP)
    for table, column in SITE_TABLES.items():
        for event, rows in (("insert", "new"), ("update", "new"), ("delete", "old")):
            op.execute(
                f"create trigger {table}_changed_by_{event} after {event} on {table}"
                f" referencing {rows} table as changed"
                f" for each statement execute function mark_sites_changed('{column}')"
            )
    for payload, tables in TABLES_BY_PAYLOAD.items():
        for table in tables:
            op.execute(
                f"create trigger {table}_notify after insert or update or delete on {table}"
                f" for each statement execute function notify_geo('{payload}')"
            )
    op.execute(
        "create trigger school_district_no_overlap"
        " before insert or update of stage, geom, effective_from, effective_to on school_district"
        " for each row execute function refuse_overlapping_district()"
    )


def downgrade() -> None:
    op.execute("drop function mark_sites_changed, notify_geo, refuse_overlapping_district cascade")
