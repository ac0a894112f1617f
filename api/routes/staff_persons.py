"""Persons at the desk: look-up, tags, witnessed delegations."""

from fastapi import APIRouter

router = APIRouter(tags=["staff"])
