"""Persons one may act for, and delegations."""

from fastapi import APIRouter

router = APIRouter(tags=["people"])
