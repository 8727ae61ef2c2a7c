"""Why the engine has no scores for a request."""

from __future__ import annotations


class EngineError(Exception):
    """The engine has no scores for a request. The message is fit for a caller."""


class NotReadyError(EngineError):
    """No model is loaded yet, or inference fails."""


class BusyError(EngineError):
    """The queue is full. `retry_after` is a guess at when it will not be, in whole seconds."""

    def __init__(self, retry_after: int) -> None:
        super().__init__("The service has more to score than it can; try again later.")
        self.retry_after = retry_after


class DeadlineError(EngineError):
    """The scores would have come too late."""


class InferenceError(EngineError):
    """The runtime failed on a batch; the service is not ready until one succeeds."""
