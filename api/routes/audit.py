"""Who looked at whose data."""

from fastapi import APIRouter

router = APIRouter(tags=["people"])
