"""Logs as JSON lines on standard error: one event a line, a request id on each, no personal data.

What may be logged is decided by whoever logs: ids, never names, phones or ID numbers; paths, never query strings,
since a query string holds where somebody stands.
"""

import logging
import sys
from contextvars import ContextVar

from pythonjsonlogger.orjson import OrjsonFormatter

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)


class _RequestId(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = request_id.get()
        return True


def configure_logs(level: str) -> None:
    """Send every log of this process through one JSON handler."""
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(_RequestId())
    handler.setFormatter(
        OrjsonFormatter(
            "%(levelname)s %(name)s %(message)s %(request_id)s",
            rename_fields={"levelname": "level", "name": "logger"},
            timestamp="at",
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # uvicorn's access log holds query strings; api/middleware.py writes our own.
    logging.getLogger("uvicorn.access").disabled = True
    # Addresses that we ask hold secrets, as WeChat's interface wants it.
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)
