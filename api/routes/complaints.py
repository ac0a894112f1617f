"""Complaints with a deadline and an answer."""

from fastapi import APIRouter

router = APIRouter(tags=["feedback"])
