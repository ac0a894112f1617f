"""Mistakes that residents report, and what became of them."""

from fastapi import APIRouter

router = APIRouter(tags=["feedback"])
