"""What we send to services of the operator's is signed, so that they know it is ours and of now."""

import hmac
from datetime import datetime


def signed_headers(secret: str, body: bytes, *, now: datetime) -> dict[str, str]:
    """Headers of a POST of JSON: X-Xinban-Timestamp (seconds since 1970) and X-Xinban-Signature, ``sha256=`` and the hex
    HMAC-SHA256, under ``secret``, of the timestamp, a full stop, and ``body``.
    """
    stamp = str(int(now.timestamp()))
    signature = hmac.digest(secret.encode(), f"{stamp}.".encode() + body, "sha256").hex()
    return {
        "Content-Type": "application/json",
        "X-Xinban-Timestamp": stamp,
        "X-Xinban-Signature": f"sha256={signature}",
    }
