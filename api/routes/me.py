"""One's own account: profile, consents, export, erasure."""

from fastapi import APIRouter

router = APIRouter(tags=["people"])
