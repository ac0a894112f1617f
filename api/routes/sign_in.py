"""Sign in and out: one-time codes, tokens, sessions."""

from fastapi import APIRouter

router = APIRouter(tags=["identity"])
