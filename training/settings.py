"""Where training reads and writes. The only module of this package that reads the environment."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Directories of the training scripts; each is also an `EVENHAND_…` environment variable."""

    model_config = SettingsConfigDict(env_prefix="EVENHAND_", extra="ignore")

    data_dir: Path = Field(Path("data"), description="directory with the labelled data sets")
    runs_dir: Path = Field(Path("runs"), description="directory that each run writes its folder into")
