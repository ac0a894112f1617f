"""Staff run their sites: drafts, edits, publishing, history."""

from fastapi import APIRouter

router = APIRouter(tags=["staff"])
