"""The service's settings. No other module of this package reads the environment."""

from __future__ import annotations

import ipaddress
import os
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

PREFIX = "EVENHAND_"


class SettingsError(ValueError):
    """A setting is bad. The message names its variable and the rule, never a value: one of them is a password."""


Mode = Literal["local", "keys"]


class Settings(BaseSettings):
    """Each field is also an `EVENHAND_…` environment variable; docs/operators.md has the table."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, extra="ignore", frozen=True, hide_input_in_errors=True
    )

    host: str = Field("127.0.0.1", description="address to listen on")
    port: int = Field(8000, ge=1, le=65535, description="TCP port")
    mode: Mode = Field("local", description="local: no key, on loopback only; keys: every call needs an API key")
    public_url: str | None = Field(
        None, pattern=r"^https?://[^/]+(/.*)?$", description="where clients reach the service; unset: as they asked"
    )
    database_url: str = Field("sqlite:///evenhand.sqlite3", description="SQLAlchemy URL of the database")
    model: Path | None = Field(None, description="directory of the model artifact; unset: the one that ships")
    coral: Path | None = Field(None, description="TOML file of Coral sites: secrets and rules")
    compatibility: Literal["permissive", "strict"] = Field(
        "permissive", description="strict: refuse languages and attributes that no head covers; permissive: warn"
    )
    flag_threshold: float = Field(
        0.5, gt=0, le=1, description="score from which an OpenAI category is true and an input flagged"
    )
    workers: int = Field(0, ge=0, le=64, description="batches that are scored at a time; 0: one for each core")
    threads: int = Field(1, ge=0, le=1024, description="inferences that one batch is split into; 0: one for each core")
    queue: int = Field(256, ge=1, le=100_000, description="texts that may wait; more is answered 429")
    deadline_ms: int = Field(5000, ge=10, le=600_000, description="longest wait for scores; then 504")
    batch_wait_ms: float = Field(0.0, ge=0, le=50, description="longest wait for a batch to fill under load")
    cache: int = Field(20_000, ge=0, le=10_000_000, description="texts whose scores are kept in memory, by hash")
    max_body_bytes: int = Field(
        64 * 2**20, ge=1024, description="largest request body; 1,000 longest comments escaped as JSON fit"
    )
    max_header_bytes: int = Field(32 * 2**10, ge=1024, description="largest request line and headers together")
    drain_seconds: int = Field(30, ge=0, le=3600, description="time that requests under way get when it stops")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="least severe line that is logged; info logs one line a request"
    )

    @property
    def address(self) -> str:
        """Where a browser or a command on this machine reaches the service."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    @model_validator(mode="after")
    def _never_open_to_the_world(self) -> Settings:
        if self.mode == "local" and not loopback(self.host):
            raise ValueError(
                f"EVENHAND_MODE: 'local' asks for no key, so it serves loopback only, and {self.host} is not; "
                "set EVENHAND_MODE=keys and make a key with: evenhand keys create NAME"
            )
        return self


def read(**options: Any) -> Settings:
    """The settings; an option that is not None goes before the environment. Raises SettingsError."""
    try:
        return Settings(**{name: value for name, value in options.items() if value is not None})
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        where = "".join(f"{PREFIX}{str(name).upper()}: " for name in first["loc"][:1])
        raise SettingsError(where + first["msg"].removeprefix("Value error, ")) from None


def blame(name: str, error: Exception) -> SettingsError:
    """What is wrong with what a setting names, with its variable before it."""
    return SettingsError(f"{PREFIX}{name.upper()}: {error}")


def loopback(host: str) -> bool:
    """Whether a host name or address can be reached from this machine only."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def variable(name: str) -> str | None:
    """A variable of the environment that a file names, such as one that holds a secret; None if it is not set."""
    return os.environ.get(name)
