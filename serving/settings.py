"""The service's settings. No other module of this package reads the environment."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Each field is also an `EVENHAND_…` environment variable; docs/operators.md has the table."""

    model_config = SettingsConfigDict(env_prefix="EVENHAND_", extra="ignore", frozen=True)

    host: str = Field("127.0.0.1", description="address to listen on")
    port: int = Field(8000, ge=1, le=65535, description="TCP port")
    model: Path | None = Field(None, description="directory of the model artifact; unset: the one that ships")
    threads: int = Field(0, ge=0, le=1024, description="threads of one inference; 0: every core")
    max_body_bytes: int = Field(
        64 * 2**20, ge=1024, description="largest request body; 1,000 longest comments escaped as JSON fit"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="least severe line that is logged; info logs one line a request"
    )
