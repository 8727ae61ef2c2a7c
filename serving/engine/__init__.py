"""Scores for concurrent requests: the engine, its queue, and its failures."""

from serving.engine.engine import SHARE_TEXTS, Engine, Limits, Scored, parts
from serving.engine.errors import BusyError, DeadlineError, EngineError, InferenceError, NotReadyError

__all__ = [
    "SHARE_TEXTS",
    "BusyError",
    "DeadlineError",
    "Engine",
    "EngineError",
    "InferenceError",
    "Limits",
    "NotReadyError",
    "Scored",
    "parts",
]
