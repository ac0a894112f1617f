"""Alembic environment; the connection is handed in by ``api/migrate.py``."""

from alembic import context
from geoalchemy2 import alembic_helpers
from sqlalchemy.dialects.postgresql.base import ischema_names

from api.tables import METADATA
from geo.models.site import Xid8

# Tables of extensions and of the job queue live in the same schema and are not ours to compare.
FOREIGN_PREFIXES = (
    "procrastinate_",
    "spatial_ref_sys",
    "geography_columns",
    "geometry_columns",
    "alembic_version",
)

# SQLAlchemy does not know this type of PostgreSQL when it reads a database back.
ischema_names["xid8"] = Xid8


def include_name(name: str | None, type_: str, parent_names: object) -> bool:
    return not (type_ == "table" and name is not None and name.startswith(FOREIGN_PREFIXES))


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    include_name=include_name,
    include_object=alembic_helpers.include_object,
    render_item=alembic_helpers.render_item,
    compare_type=True,
    compare_server_default=True,
)
with context.begin_transaction():
    context.run_migrations()
