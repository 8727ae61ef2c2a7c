"""Labelled data sets, by name: `SOURCES["c3"]`."""

from __future__ import annotations

from labels.sources.discussions import DISCUSSIONS
from labels.sources.hate import HATE
from labels.sources.news import NEWS
from labels.sources.publisher import publisher
from labels.sources.source import Hub, RuleError, Source, Target
from labels.sources.wikipedia import WIKIPEDIA

SOURCES: dict[str, Source] = {source.name: source for source in (*NEWS, *DISCUSSIONS, *WIKIPEDIA, *HATE, publisher())}

__all__ = ["SOURCES", "Hub", "RuleError", "Source", "Target"]
