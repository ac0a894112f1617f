"""Every table of ours: importing this registers them, for migrations and for what walks all encrypted columns."""

import api.identity.models
import api.inbox.models
import api.kept_answers
import api.messages.models  # noqa: F401  for its tables, as all of these
import booking.desk.models
import booking.feedback.models
import booking.models
import booking.people.models  # noqa: F401
import core.audit  # noqa: F401
import geo.models  # noqa: F401
from core.database import Base

METADATA = Base.metadata
