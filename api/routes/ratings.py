"""Five levels of satisfaction."""

from fastapi import APIRouter

router = APIRouter(tags=["feedback"])
