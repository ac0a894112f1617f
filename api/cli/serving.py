"""What each server process runs to get its app."""

from fastapi import FastAPI

from api.app import create_app
from core.logs import configure_logs
from core.settings import Settings


def make_app() -> FastAPI:
    """The app under the environment's settings."""
    settings = Settings()
    configure_logs(settings.log_level)
    return create_app(settings)
