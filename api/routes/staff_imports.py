"""Files imported over HTTP: upload, report, apply, undo."""

from fastapi import APIRouter

router = APIRouter(tags=["staff"])
