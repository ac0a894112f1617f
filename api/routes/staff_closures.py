"""Closures planned and ended; is it still correct?"""

from fastapi import APIRouter

router = APIRouter(tags=["staff"])
