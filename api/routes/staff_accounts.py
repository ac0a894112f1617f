"""Staff accounts, second factors, roles."""

from fastapi import APIRouter

router = APIRouter(tags=["staff"])
