"""To be described."""

from .streaming import ServerSentEvent

__all__ = ["ServerSentEvent"]
